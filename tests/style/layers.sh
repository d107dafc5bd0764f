#!/bin/sh
exec sh scripts/check-layers
