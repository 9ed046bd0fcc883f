complete -c supervisord -s c -l configuration -d 'Read this configuration; without it the usual places are searched' -r -F
complete -c supervisord -s u -l user -d 'Change to this account (name or number) after the start' -r -f -a "(__fish_complete_users)"
complete -c supervisord -s m -l umask -d 'Set this umask, in octal, when going to the background' -r -f
complete -c supervisord -s d -l directory -d 'Change to this folder when going to the background' -r -f -a "(__fish_complete_directories)"
complete -c supervisord -s l -l logfile -d 'Write supervisord\'s own log here' -r -F
complete -c supervisord -s y -l logfile_maxbytes -d 'Rotate that log at this size, such as 50MB; 0 for never' -r -f
complete -c supervisord -s z -l logfile_backups -d 'Keep this many rotated logs' -r -f
complete -c supervisord -s e -l loglevel -d 'Log this level and above: critical, error, warn, info, debug, trace, blather' -r -f
complete -c supervisord -s j -l pidfile -d 'Write the process id here' -r -F
complete -c supervisord -s i -l identifier -d 'What clients are told this instance is called' -r -f
complete -c supervisord -s q -l childlogdir -d 'Put logs of programs that are set to AUTO here' -r -f -a "(__fish_complete_directories)"
complete -c supervisord -s a -l minfds -d 'Start only if this many files may be open' -r -f
complete -c supervisord -l minprocs -d 'Start only if this many processes are allowed' -r -f
complete -c supervisord -l profile_options -d 'Accepted and ignored: there is no Python to profile' -r -f
complete -c supervisord -l check -d 'Read the configuration, say what is wrong with it, and exit'
complete -c supervisord -l differences -d 'Read the configuration, say what would be different from Python Supervisor with it, and exit'
complete -c supervisord -s n -l nodaemon -d 'Stay in the foreground'
complete -c supervisord -s s -l silent -d 'In the foreground, do not copy the log to stdout'
complete -c supervisord -s k -l nocleanup -d 'Leave AUTO logs of earlier runs where they are'
complete -c supervisord -s t -l strip_ansi -d 'Take terminal escape sequences out of the logs of programs'
complete -c supervisord -s v -l version -d 'Print the version and exit'
complete -c supervisord -s h -s ? -l help -d 'Print this text and exit'
