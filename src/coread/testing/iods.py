"""The attributes that each kind of synthetic object needs, module by module (PS3.3)."""

from __future__ import annotations

from typing import Any

SOP_CLASSES = {
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
    "SR": "1.2.840.10008.5.1.4.1.1.88.11",
}

_CHEST_REGION = {"CodeValue": "43799004", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Thoracic cavity"}
_POSTERO_ANTERIOR = {
    "CodeValue": "399348003",
    "CodingSchemeDesignator": "SCT",
    "CodeMeaning": "postero-anterior",
}


def general(modality: str) -> dict[str, Any]:
    """Return what every composite object holds (PS3.3 C.7.1 to C.7.6.1, C.12.1)."""
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": SOP_CLASSES[modality],
        "StudyDate": "20240102",
        "SeriesDate": "20240102",
        "ContentDate": "20240102",
        "AcquisitionDate": "20240102",
        "StudyTime": "090000",
        "SeriesTime": "090100",
        "ContentTime": "090200",
        "AcquisitionTime": "090200",
        "AccessionNumber": "A0001",
        "Modality": modality,
        "Manufacturer": "CoRead synthetic",
        "ManufacturerModelName": "Drawn",
        "DeviceSerialNumber": "0",
        "SoftwareVersions": "0",
        "ReferringPhysicianName": "",
        "PatientName": "Zzyzx^Canary",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "StudyID": "1",
        "StudyDescription": f"Synthetic {modality}",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
    }


def _projection() -> dict[str, Any]:
    return {
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "PatientOrientation": ["L", "F"],
        "ImageType": ["ORIGINAL", "PRIMARY"],
    }


def _digital_xray() -> dict[str, Any]:
    """Return the modules of the DX image (PS3.3 A.26)."""
    return _projection() | {
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "AcquisitionContextSequence": [],
        "AnatomicRegionSequence": [_CHEST_REGION],
        "ViewCodeSequence": [_POSTERO_ANTERIOR | {"ViewModifierCodeSequence": []}],
        "ImageLaterality": "U",
        "DetectorType": "DIRECT",
        "ImagerPixelSpacing": [0.2, 0.2],
        "PositionerType": "NONE",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "US",
        "PresentationLUTShape": "IDENTITY",
        "LossyImageCompression": "00",
        "BurnedInAnnotation": "NO",
    }


def _computed_radiography() -> dict[str, Any]:
    return _projection() | {"PixelSpacing": [0.2, 0.2]}


def _slice() -> dict[str, Any]:
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "FrameOfReferenceUID": "",
        "PositionReferenceIndicator": "",
        "PixelSpacing": [2.5, 2.5],
        "SliceThickness": 2,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [-80, -80, 0],
        "PatientPosition": "HFS",
        "BodyPartExamined": "CHEST",
        "AcquisitionNumber": 1,
    }


def _computed_tomography() -> dict[str, Any]:
    return _slice() | {"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "HU", "KVP": 120}


def _magnetic_resonance() -> dict[str, Any]:
    return _slice() | {
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ScanningSequence": "SE",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "RepetitionTime": 500,
        "EchoTime": 10,
        "EchoTrainLength": 1,
    }


def _ultrasound() -> dict[str, Any]:
    return {"ImageType": ["ORIGINAL", "PRIMARY"], "PatientOrientation": "", "Laterality": "",
            "LossyImageCompression": "00", "UltrasoundColorDataPresent": 1}  # fmt: skip


def _secondary_capture() -> dict[str, Any]:
    return {"ImageType": ["DERIVED", "SECONDARY"], "ConversionType": "WSD", "PatientOrientation": "",
            "Laterality": ""}  # fmt: skip


def report() -> dict[str, Any]:
    """Return the modules of a Basic Text SR that says one sentence (PS3.3 A.35.1)."""
    title = {
        "CodeValue": "18748-4",
        "CodingSchemeDesignator": "LN",
        "CodeMeaning": "Diagnostic imaging report",
    }
    heading = {"CodeValue": "121071", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Finding"}
    sentence = {"RelationshipType": "CONTAINS", "ValueType": "TEXT", "ConceptNameCodeSequence": [heading],
                "TextValue": "A sentence about nobody."}  # fmt: skip
    return {
        "ReferencedPerformedProcedureStepSequence": [],
        "PerformedProcedureCodeSequence": [],
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED",
        "ValueType": "CONTAINER",
        "ContinuityOfContent": "SEPARATE",
        "ConceptNameCodeSequence": [title],
        "ContentSequence": [sentence],
    }


MODULES = {
    "DX": _digital_xray,
    "CR": _computed_radiography,
    "CT": _computed_tomography,
    "MR": _magnetic_resonance,
    "US": _ultrasound,
    "OT": _secondary_capture,
}
