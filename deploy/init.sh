#!/bin/sh
# Brings both databases to this version and makes the first user. Safe to run again: it runs at every `up`.
set -eu

airflow db migrate
habitue db upgrade
# An existing user is left as he is, password and all.
airflow users create --role Admin --username "$ADMIN_USER" --password "$ADMIN_PASSWORD" \
    --firstname Habitué --lastname Admin --email "$ADMIN_EMAIL"
