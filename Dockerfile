# One image for every Airflow service of docker-compose.yml.
#
# Why python:3.11-slim and not apache/airflow:3.3.2: that image comes with dozens of providers pinned by Airflow's own
# constraints, and installing our set over it moves packages beneath them. Here the image holds constraints.txt and
# nothing else: what the tests ran on. All of it is wheels, so no compiler and no apt package is needed.
FROM python:3.11-slim-bookworm

# The owner of the files in the OUT folder: give your own `id -u` to read them without sudo.
ARG UID=50000

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    AIRFLOW_HOME=/home/habitue/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/habitue/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/habitue/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False

WORKDIR /opt/habitue

# The dependencies first: their layer stays while only campaigns, texts or SQL change.
# Editable, because habitue reads shop.yaml, campaigns, SQL and templates from the folder that it stands in.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY include/habitue/__init__.py include/habitue/
RUN pip install --constraint constraints.txt --editable ".[airflow,deploy]"

COPY include/ include/
COPY dags/ dags/
COPY plugins/ plugins/
COPY deploy/init.sh deploy/
# The user below may not write here: compile now, not at each start.
RUN python -m compileall -q include/habitue dags plugins

RUN useradd --uid "$UID" --gid 0 --create-home habitue \
    && install --directory --owner=habitue --group=0 --mode=0750 /var/lib/habitue /home/habitue/airflow/logs \
    && chown -R habitue:0 /home/habitue
USER habitue

CMD ["airflow", "version"]
