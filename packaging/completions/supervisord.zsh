#compdef supervisord

autoload -U is-at-least

_supervisord() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'*-c+[Read this configuration; without it the usual places are searched]:FILE:_files' \
'*--configuration=[Read this configuration; without it the usual places are searched]:FILE:_files' \
'*-u+[Change to this account (name or number) after the start]:USER:_users' \
'*--user=[Change to this account (name or number) after the start]:USER:_users' \
'*-m+[Set this umask, in octal, when going to the background]:MASK:' \
'*--umask=[Set this umask, in octal, when going to the background]:MASK:' \
'*-d+[Change to this folder when going to the background]:FOLDER:_files -/' \
'*--directory=[Change to this folder when going to the background]:FOLDER:_files -/' \
'*-l+[Write supervisord'\''s own log here]:FILE:_files' \
'*--logfile=[Write supervisord'\''s own log here]:FILE:_files' \
'*-y+[Rotate that log at this size, such as 50MB; 0 for never]:SIZE:' \
'*--logfile_maxbytes=[Rotate that log at this size, such as 50MB; 0 for never]:SIZE:' \
'*-z+[Keep this many rotated logs]:NUMBER:' \
'*--logfile_backups=[Keep this many rotated logs]:NUMBER:' \
'*-e+[Log this level and above\: critical, error, warn, info, debug, trace, blather]:LEVEL:' \
'*--loglevel=[Log this level and above\: critical, error, warn, info, debug, trace, blather]:LEVEL:' \
'*-j+[Write the process id here]:FILE:_files' \
'*--pidfile=[Write the process id here]:FILE:_files' \
'*-i+[What clients are told this instance is called]:NAME:' \
'*--identifier=[What clients are told this instance is called]:NAME:' \
'*-q+[Put logs of programs that are set to AUTO here]:FOLDER:_files -/' \
'*--childlogdir=[Put logs of programs that are set to AUTO here]:FOLDER:_files -/' \
'*-a+[Start only if this many files may be open]:NUMBER:' \
'*--minfds=[Start only if this many files may be open]:NUMBER:' \
'*--minprocs=[Start only if this many processes are allowed]:NUMBER:' \
'*--profile_options=[Accepted and ignored\: there is no Python to profile]:LIST:' \
'*--check[Read the configuration, say what is wrong with it, and exit]' \
'*--differences[Read the configuration, say what would be different from Python Supervisor with it, and exit]' \
'*-n[Stay in the foreground]' \
'*--nodaemon[Stay in the foreground]' \
'*-s[In the foreground, do not copy the log to stdout]' \
'*--silent[In the foreground, do not copy the log to stdout]' \
'*-k[Leave AUTO logs of earlier runs where they are]' \
'*--nocleanup[Leave AUTO logs of earlier runs where they are]' \
'*-t[Take terminal escape sequences out of the logs of programs]' \
'*--strip_ansi[Take terminal escape sequences out of the logs of programs]' \
'*-v[Print the version and exit]' \
'*--version[Print the version and exit]' \
'*-h[Print this text and exit]' \
'*-?[Print this text and exit]' \
'*--help[Print this text and exit]' \
'*::argument:_default' \
&& ret=0
}

(( $+functions[_supervisord_commands] )) ||
_supervisord_commands() {
    local commands; commands=()
    _describe -t commands 'supervisord commands' commands "$@"
}

if [ "$funcstack[1]" = "_supervisord" ]; then
    _supervisord "$@"
else
    compdef _supervisord supervisord
fi
