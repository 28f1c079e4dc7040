"""What a process that helps ``audit verify`` runs. By itself, so that such a process has nothing else to import."""

from __future__ import annotations

from askfirst.audit.evidence_scan import EvidenceJob, EvidenceScan, scan_evidence
from askfirst.audit.segment_scan import Job, Scan, scan


def scanned(job: EvidenceJob | Job) -> EvidenceScan | Scan:
    """What is found of a file of evidence, or of a segment of decisions. Raises OSError for the first."""
    return scan_evidence(job) if isinstance(job, EvidenceJob) else scan(job)
