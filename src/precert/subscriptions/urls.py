"""Canonical URLs of the subscriptions backport IG 1.1.0 (R4) and of the one topic, from Da Vinci PAS."""

from precert.fhir.versions import STU_2_0, STU_2_2, VersionName

PAS_TOPIC = "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic"

_SD = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
FILTER_CRITERIA = _SD + "backport-filter-criteria"
PAYLOAD_CONTENT = _SD + "backport-payload-content"
CHANNEL_TYPE = _SD + "backport-channel-type"
HEARTBEAT_PERIOD = _SD + "backport-heartbeat-period"
TIMEOUT = _SD + "backport-timeout"
MAX_COUNT = _SD + "backport-max-count"
STATUS_PROFILE = _SD + "backport-subscription-status-r4"
NOTIFICATION_PROFILE = _SD + "backport-subscription-notification-r4"

PROFILES: dict[VersionName, str] = {
    STU_2_2.name: "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/profile-subscription",
    STU_2_0.name: _SD + "backport-subscription",
}
"""What a client's Subscription conforms to, per base (PAS 2.0.1 has no profile of its own)."""

ERROR_CODES = "http://terminology.hl7.org/CodeSystem/subscription-error"
"""Codes: ``no-response``, ``error-response``, ``dns-resolution-error``."""
