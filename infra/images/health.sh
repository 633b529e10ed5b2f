#!/bin/bash
# 0 where the service says that it is ready. Not a program of its own runtime: starting that every few seconds costs more than
# the service does when it is idle.
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-8080}" || exit 1
printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
IFS= read -r -t 5 status <&3
[[ $status == 'HTTP/1.1 200'* ]]
