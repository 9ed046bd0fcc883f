#!/bin/sh
# Stands in for a web server: logs a request every second.
n=0
echo "listening"
while :; do
    n=$((n + 1))
    echo "$(date +%H:%M:%S) GET /page/$n 200"
    sleep 1
done
