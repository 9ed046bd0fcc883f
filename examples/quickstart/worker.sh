#!/bin/sh
# Stands in for a worker: takes a job every two seconds, and finishes the one in hand before it
# obeys a stop.
stop=
trap 'stop=yes' TERM
n=0
while [ -z "$stop" ]; do
    n=$((n + 1))
    echo "worker $1 of queue $QUEUE: job $n begun"
    sleep 2
    echo "worker $1 of queue $QUEUE: job $n done"
done
echo "worker $1 of queue $QUEUE: stopped after $n jobs"
