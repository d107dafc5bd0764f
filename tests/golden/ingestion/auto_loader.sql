-- For a person who may create a volume and a table there, and grant.
CREATE SCHEMA IF NOT EXISTS `main`.`raw`;
CREATE VOLUME IF NOT EXISTS `main`.`raw`.`land`;
CREATE TABLE IF NOT EXISTS `main`.`raw`.`events` (timestamp TIMESTAMP_NTZ, asset STRING, datastream STRING, payload DOUBLE) USING DELTA;
-- to reach the volume:
GRANT USE CATALOG ON CATALOG `main` TO `<application id of the uploader's service principal>`;
-- to reach the volume:
GRANT USE SCHEMA ON SCHEMA `main`.`raw` TO `<application id of the uploader's service principal>`;
-- to upload files, and to look whether they arrived:
GRANT READ VOLUME, WRITE VOLUME ON VOLUME `main`.`raw`.`land` TO `<application id of the uploader's service principal>`;
-- for the job, which adds rows:
GRANT SELECT, MODIFY ON TABLE `main`.`raw`.`events` TO `<application id of the uploader's service principal>`;
