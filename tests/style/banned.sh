#!/bin/sh
exec sh scripts/check-banned
