-- For a person who may create a volume and a table there, and grant.
CREATE SCHEMA IF NOT EXISTS `ma``in`.`it's`;
CREATE SCHEMA IF NOT EXISTS `ma``in`.`Röh`;
CREATE VOLUME IF NOT EXISTS `ma``in`.`it's`.`Länd`;
CREATE TABLE IF NOT EXISTS `ma``in`.`Röh`.`ev"ent's` (timestamp TIMESTAMP_NTZ, asset STRING, datastream STRING, payload DOUBLE) USING DELTA;
-- to reach the volume:
GRANT USE CATALOG ON CATALOG `ma``in` TO `o'ne ``two```;
-- to reach the volume:
GRANT USE SCHEMA ON SCHEMA `ma``in`.`it's` TO `o'ne ``two```;
-- to upload files, and to look whether they arrived:
GRANT READ VOLUME, WRITE VOLUME ON VOLUME `ma``in`.`it's`.`Länd` TO `o'ne ``two```;
-- to reach the table:
GRANT USE SCHEMA ON SCHEMA `ma``in`.`Röh` TO `o'ne ``two```;
-- for the job, which adds rows:
GRANT SELECT, MODIFY ON TABLE `ma``in`.`Röh`.`ev"ent's` TO `o'ne ``two```;
