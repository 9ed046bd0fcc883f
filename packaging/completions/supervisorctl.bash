# bash completion for supervisorctl: options, actions, and the names of the running daemon.
# Made by `cargo run --example gen-docs` from packaging/gen; do not edit.

_supervisorctl_names() {
    # Asks the daemon that the line means. Complaints are on stdout too, but name no state.
    timeout 2 "${ctl[@]}" "$1" 2>/dev/null </dev/null | awk '$2 ~ /^(STOPPED|STARTING|RUNNING|BACKOFF|STOPPING|EXITED|FATAL|UNKNOWN|in|avail)$/ {print $1}'
}

_supervisorctl() {
    local cur prev words cword
    if declare -F _get_comp_words_by_ref >/dev/null; then
        # Names have colons: a word ends at blanks only.
        _get_comp_words_by_ref -n : cur prev words cword
    else
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    fi
    local i action= ctl=("${words[0]}") list= names groups
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        -c | -s | -u | -p | -r | --configuration | --serverurl | --username | --password | --history_file)
            ctl+=("${words[i]}" "${words[i+1]}")
            i=$((i + 1))
            ;;
        -*) ctl+=("${words[i]}") ;;
        *) action=${words[i]}; break ;;
        esac
    done
    COMPREPLY=()
    if [ -z "$action" ]; then
        case $prev in
        -c | --configuration | -r | --history_file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        -s | --serverurl) COMPREPLY=($(compgen -W "http:// unix://" -- "$cur")); return ;;
        -u | --username | -p | --password) return ;;
        esac
        case $cur in
        -*) list="-c --configuration -h --help -i --interactive -s --serverurl -u --username -p --password -r --history_file -q --quiet" ;;
        *) list="add avail clear events exit fg hash_password help maintail open pid quit reload remove reread restart shutdown signal start status stop tail top update version" ;;
        esac
    else
        case $action in
        add) list=$(_supervisorctl_names avail | cut -d: -f1 | sort -u) ;;
        help) list="add avail clear events exit fg hash_password help maintail open pid quit reload remove reread restart shutdown signal start status stop tail top update version" ;;
        remove | update)
            list="$(_supervisorctl_names status | cut -d: -f1 | sort -u)"
            [ "$action" = update ] && list="all $list"
            ;;
        signal)
            if ((cword == i + 1)); then list="HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH TTIN TTOU"; fi
            ;;
        maintail) list="-f -n" ;;
        tail) list="-f -n stdout stderr" ;;
        status) list="--json" ;;
        esac
        case $action in
        start | stop | restart | clear | pid | status | tail | fg | signal)
            if [ "$action" != signal ] || ((cword > i + 1)); then
                names=$(_supervisorctl_names status)
                groups=$(printf '%s\n' "$names" | sed -n 's/^\([^:]*\):.*/\1:*/p' | sort -u)
                list="$list $names"
                case $action in
                fg | tail) ;;
                *) list="$list $groups"; [ "$action" = status ] || list="$list all" ;;
                esac
            fi
            ;;
        esac
    fi
    # Names may be patterns to the shell: no expansion here.
    local glob=$-
    set -f
    COMPREPLY=($(compgen -W "$list" -- "$cur"))
    case $glob in *f*) ;; *) set +f ;; esac
    declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
    return 0
}

complete -F _supervisorctl supervisorctl
