"""Headings of columns: those that may say whose picture it is, and those that sites need as groups."""

from __future__ import annotations

import pytest
from tocsin.learning.labels_persons import says_who


@pytest.mark.parametrize(
    "heading",
    [
        *("name", "Name", "Name, Vorname", "last name", "lastName", "Nachname", "Familienname", "Geburtsname", "full_name", "user_name"),
        *("Patient", "Patientenname", "PatientName", "patient_hash", "Pat.", "Pat-Nr", "Pat.-Nr.", "PatNr", "PATNR", "pat_id", "PatID"),
        *("Patienten-Nr.", "Proband", "subject", "Subject ID", "person", "participant_no", "Teilnehmer"),
        *("Fall", "Fall-Nr", "Fallnummer", "FALLNR", "FallID", "case", "Case No.", "caseid", "case_number", "visit_id", "encounter-id"),
        *("MRN", "mrn_hash", "medical record number", "DOB", "date-of-birth", "BirthDate", "geb.", "Geb.-Dat.", "GebDat", "Geburtstag"),
        *("Versichertennummer", "Versicherungs-Nr", "insurance", "insurance_no", "KVNR", "AHV-Nr", "NHS number", "SSN"),
        *("KIS-ID", "KIS Nr.", "Aufnahmenummer", "Aufnahme-Nr.", "Aufnahme", "admission_id", "accession", "AccessionNumber"),
        *("Adresse", "address", "Straße", "E-Mail", "phone", "Telefon", "phone number", "initials", "Initialen", "Kürzel"),
        *("Arzt", "Ärztin", "physician", "ID", "Nr.", "lfd. Nr.", "Histo-Nr.", "Eingangsnummer", "order_id", "Kennung"),
    ],
)
def test_a_heading_that_speaks_of_persons_their_names_or_numbers_does(heading: str) -> None:
    assert says_who(heading)


@pytest.mark.parametrize(
    "heading",
    [
        *("file", "malignant", "age", "sex", "site", "skin_tone", "lesion_id", "label_kind", "labelled_on", "weight"),
        *("clinic", "device", "camera", "polarisation", "Klinik", "Kamera", "Gerät", "Standort", "Abteilung", "Station", "modality"),
        *(
            "device_name",
            "clinic_name",
            "camera_id",
            "DeviceName",
            "Kameraname",
            "Gerätename",
            "Geräte-Nr.",
            "Name der Klinik",
            "Klinik-ID",
        ),
        *("site_id", "hospital name", "Stationsname", "model number", "serial_no", "study_id", "manufacturer_name", "center_no"),
        *("Aufnahmegerät", "Aufnahmeart", "Aufnahmejahr", "Notfall", "case_control", "Fallart", "Gebiet", "birthmark", "smartphone"),
        *(
            "pathology",
            "pattern",
            "patch",
            "localisation",
            "number_of_lesions",
            "grid",
            "hybrid",
            "keloid",
            "subjective",
            "notes",
            "Hautarzt",
        ),
        *("personal_history", "fitzpatrick", "dx_type", "source", "year", "ethnicity", "Alter", "lens", "immersion", "resolution"),
    ],
)
def test_other_headings_do_not(heading: str) -> None:
    assert not says_who(heading)
