# bash completion for xdpfw. Words that xdpfw does not know are file names.
_xdpfw() {
    local words=() i word
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        # bash takes --option=value apart; here it is one word.
        if [[ $i -gt 1 && ($word == = || ${COMP_WORDS[i - 1]} == =) && ${words[-1]} == -* ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    local IFS=$'\n'
    COMPREPLY=($("$1" "${words[@]}" --generate-bash-completion 2>/dev/null))
    if [[ ${words[-1]} == -*=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#*=}")
    fi
}
complete -o bashdefault -o default -F _xdpfw xdpfw
