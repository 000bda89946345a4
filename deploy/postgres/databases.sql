-- Which two databases does this server hold, and who may enter them?
-- Run once, by the postgres image, as its superuser on an empty volume. The passwords come from the environment.
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv habitue_password HABITUE_DB_PASSWORD

create role airflow login password :'airflow_password';
create role habitue login password :'habitue_password';

-- The builtin locale sorts alike on every system, so an upgraded image can't break an index.
create database airflow owner airflow template template0 encoding 'UTF8' locale 'C.UTF-8' locale_provider builtin;
create database habitue owner habitue template template0 encoding 'UTF8' locale 'C.UTF-8' locale_provider builtin;

-- Airflow's role never reads a customer.
revoke connect on database airflow from public;
revoke connect on database habitue from public;
