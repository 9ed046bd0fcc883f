# fish completion for supervisorctl: options, actions, and the names of the running daemon.
# Made by `cargo run --example gen-docs` from packaging/gen; do not edit.

function __supervisorctl_names
    # Asks the daemon that the line means. Complaints are on stdout too, but name no state.
    set -l ctl supervisorctl
    set -l line (commandline -opc)
    for i in (seq 2 (math (count $line) - 1))
        if contains -- $line[$i] -c -s -u -p --configuration --serverurl --username --password
            set -a ctl $line[$i] $line[(math $i + 1)]
        end
    end
    timeout 2 $ctl $argv 2>/dev/null </dev/null | string replace -rf '^(\S+)\s+(STOPPED|STARTING|RUNNING|BACKOFF|STOPPING|EXITED|FATAL|UNKNOWN|in|avail)\b.*' '$1'
end

function __supervisorctl_groups
    __supervisorctl_names $argv | string replace -r ':.*' '' | sort -u
end

function __supervisorctl_group_patterns
    __supervisorctl_names status | string match '*:*' | string replace -r ':.*' ':*' | sort -u
end

set -l actions add avail clear events exit fg hash_password help maintail open pid quit reload remove reread restart shutdown signal start status stop tail top update version
complete -c supervisorctl -f
complete -c supervisorctl -s c -l configuration -rF -d "Configuration file whose [supervisorctl] counts"
complete -c supervisorctl -s h -l help -d "Print this help"
complete -c supervisorctl -s i -l interactive -d "Ask before drastic actions, and for passwords"
complete -c supervisorctl -s s -l serverurl -x -d "Where supervisord listens: http://host:port or unix:///path"
complete -c supervisorctl -s u -l username -x -d "User name to log in with"
complete -c supervisorctl -s p -l password -x -d "Password to log in with"
complete -c supervisorctl -s r -l history_file -rF -d "Keep the shell's history in this file"
complete -c supervisorctl -s q -l quiet -d "Print no lines that only report success"
complete -c supervisorctl -n "not __fish_seen_subcommand_from $actions" -a "$actions"
complete -c supervisorctl -n "__fish_seen_subcommand_from help" -a "$actions"
complete -c supervisorctl -n "__fish_seen_subcommand_from start stop restart clear pid signal" -a "all (__supervisorctl_names status) (__supervisorctl_group_patterns)"
complete -c supervisorctl -n "__fish_seen_subcommand_from status" -a "(__supervisorctl_names status) (__supervisorctl_group_patterns)"
complete -c supervisorctl -n "__fish_seen_subcommand_from status" -l json
complete -c supervisorctl -n "__fish_seen_subcommand_from tail fg" -a "(__supervisorctl_names status)"
complete -c supervisorctl -n "__fish_seen_subcommand_from tail" -a "stdout stderr"
complete -c supervisorctl -n "__fish_seen_subcommand_from tail maintail" -s f -d "Follow"
complete -c supervisorctl -n "__fish_seen_subcommand_from signal" -a "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH TTIN TTOU"
complete -c supervisorctl -n "__fish_seen_subcommand_from add" -a "(__supervisorctl_groups avail)"
complete -c supervisorctl -n "__fish_seen_subcommand_from remove update" -a "(__supervisorctl_groups status)"
