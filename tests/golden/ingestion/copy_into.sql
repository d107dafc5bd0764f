-- Made and kept current by volume-uploader: changes by hand are overwritten.
-- definition version 1, hash fd7a61bf46bbaf98
SET TIME ZONE 'UTC';

COPY INTO `ma``in`.`Röh`.`ev"ent's`
FROM (
    SELECT
        CAST(`timestamp` AS TIMESTAMP_NTZ) AS `timestamp`,
        CAST(`asset` AS STRING) AS `asset`,
        CAST(`datastream` AS STRING) AS `datastream`,
        CAST(`payload` AS DOUBLE) AS `payload`
    FROM '/Volumes/ma`in/it\'s/Länd/data/'
)
FILEFORMAT = PARQUET;
