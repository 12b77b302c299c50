#!/bin/sh
exec python3 -m s3cmd "$@"
