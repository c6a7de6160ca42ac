#!/bin/sh
# sh first-picture.sh PICTURE.jpg: writes a made-up patient and a picture of it into the FHIR server of tocsin.env. For a test system.
set -eu
. ./tocsin.env
put() { curl --silent --show-error --fail --output /dev/null --request PUT --header 'Content-Type: application/fhir+json' --data @- "$TOCSIN_FHIR__BASE_URL/$1"; }

put Patient/tocsin-try <<END
{"resourceType": "Patient", "id": "tocsin-try", "active": true, "gender": "female", "birthDate": "1960-04-01"}
END
put Media/tocsin-try <<END
{"resourceType": "Media", "id": "tocsin-try", "status": "completed", "subject": {"reference": "Patient/tocsin-try"},
 "modality": {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DMS"}]},
 "createdDateTime": "$(date --utc +%Y-%m-%dT%H:%M:%SZ)",
 "content": {"contentType": "image/jpeg", "data": "$(base64 --wrap=0 "$1")"}}
END
echo "Media/tocsin-try of Patient/tocsin-try is in the record"
