#!/bin/sh
# Ctrl-C reaches every process of the terminal's group. workerd would die of it at once, before the agent has drained;
# its parent ends it in order. An ignored signal stays ignored across exec.
trap '' INT
exec "$DALSTON_WORKERD" "$@"
