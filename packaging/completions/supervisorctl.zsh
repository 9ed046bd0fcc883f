#compdef supervisorctl
# zsh completion for supervisorctl: options, actions, and the names of the running daemon.
# Made by `cargo run --example gen-docs` from packaging/gen; do not edit.

_supervisorctl_names() {
    # Asks the daemon that the line means. Complaints are on stdout too, but name no state.
    local -a ctl=($program)
    local o
    for o in -c -s -u -p; do
        (( $+opt_args[$o] )) && ctl+=($o "${(Q)opt_args[$o]}")
    done
    timeout 2 $ctl $1 2>/dev/null </dev/null | awk '$2 ~ /^(STOPPED|STARTING|RUNNING|BACKOFF|STOPPING|EXITED|FATAL|UNKNOWN|in|avail)$/ {print $1}'
}

_supervisorctl_processes() {
    local -a names groups
    names=(${(f)"$(_supervisorctl_names status)"})
    groups=(${(u)${(M)names:#*:*}%%:*})
    compadd -a names
    (( $# )) || { compadd -- all; compadd -Q -- ${^groups}:\* }
}

_supervisorctl_groups() {
    local -a names
    names=(${(f)"$(_supervisorctl_names $1)"})
    compadd -- ${(u)names%%:*}
}

_supervisorctl() {
    local curcontext=$curcontext state line program=$words[1]
    typeset -A opt_args
    _arguments -C \
        '(-c --configuration)'{-c,--configuration}'[Configuration file whose (supervisorctl) counts]:file:_files' \
        '(-h --help)'{-h,--help}'[Print this help]' \
        '(-i --interactive)'{-i,--interactive}'[Ask before drastic actions, and for passwords]' \
        '(-s --serverurl)'{-s,--serverurl}'[Where supervisord listens\: http\://host\:port or unix\:///path]:value:' \
        '(-u --username)'{-u,--username}'[User name to log in with]:value:' \
        '(-p --password)'{-p,--password}'[Password to log in with]:value:' \
        '(-r --history_file)'{-r,--history_file}'[Keep the shell'\''s history in this file]:file:_files' \
        '(-q --quiet)'{-q,--quiet}'[Print no lines that only report success]' \
        '1:action:(add avail clear events exit fg hash_password help maintail open pid quit reload remove reread restart shutdown signal start status stop tail top update version)' \
        '*::argument:->arguments'
    [[ $state == arguments ]] || return
    local action=$line[1]
    case $action in
    add) _supervisorctl_groups avail ;;
    remove) _supervisorctl_groups status ;;
    update) compadd -- all; _supervisorctl_groups status ;;
    help) compadd -- add avail clear events exit fg hash_password help maintail open pid quit reload remove reread restart shutdown signal start status stop tail top update version ;;
    signal)
        # The action is the first of $words here.
        if (( CURRENT == 2 )); then compadd -- HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH TTIN TTOU; else _supervisorctl_processes; fi
        ;;
    maintail) compadd -- -f -n ;;
    tail) compadd -- -f -n stdout stderr; _supervisorctl_processes only ;;
    fg) _supervisorctl_processes only ;;
    status) compadd -- --json; _supervisorctl_processes ;;
    start | stop | restart | clear | pid) _supervisorctl_processes ;;
    esac
}

_supervisorctl "$@"
