#compdef xdpfw
# zsh completion for xdpfw. Words that xdpfw does not know are file names.
_xdpfw() {
    local -a candidates
    candidates=("${(@f)$("${words[1]}" "${(@)words[2,CURRENT]}" --generate-bash-completion 2>/dev/null)}")
    if [[ -n "${candidates[1]}" ]]; then
        compadd -- "${candidates[@]}"
    else
        [[ "$PREFIX" == -*=* ]] && compset -P '*='
        _files
    fi
}
if [[ "$funcstack[1]" == _xdpfw ]]; then # a file in $fpath
    _xdpfw
else
    compdef _xdpfw xdpfw
fi
