#!/bin/sh
# sh first-picture.sh PICTURE.jpg [ID [STATUS]]: writes a made-up patient and a picture of it into the FHIR server of tocsin.env, both under
# this id (tocsin-try) and the Media with this status (completed). For a test system.
set -eu
. ./tocsin.env
id="${2:-tocsin-try}" status="${3:-completed}"
put() { curl --silent --show-error --fail --output /dev/null --request PUT --header 'Content-Type: application/fhir+json' --data @- "$TOCSIN_FHIR__BASE_URL/$1"; }

put Patient/$id <<END
{"resourceType": "Patient", "id": "$id", "active": true, "gender": "female", "birthDate": "1960-04-01"}
END
put Media/$id <<END
{"resourceType": "Media", "id": "$id", "status": "$status", "subject": {"reference": "Patient/$id"},
 "modality": {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DMS"}]},
 "createdDateTime": "$(date --utc +%Y-%m-%dT%H:%M:%SZ)",
 "content": {"contentType": "image/jpeg", "data": "$(base64 --wrap=0 "$1")"}}
END
echo "Media/$id of Patient/$id is in the record"
