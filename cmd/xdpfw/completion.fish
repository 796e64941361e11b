# fish completion for xdpfw. Words that xdpfw does not know are file names.
function __xdpfw_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l candidates ($words[1] $words[2..-1] "$current" --generate-bash-completion 2>/dev/null)
    if test -n "$candidates"
        printf '%s\n' $candidates
    else
        __fish_complete_path $current
    end
end
complete -c xdpfw -f -a '(__xdpfw_complete)'
