"""Who may do what in recruiting, and with whose data? Read by `shared.authorisation`, which says how."""

from shared.authorisation import table

ACCESS = table(
    "/recruiting",
    """
    GET   /applications                            readers personal
    GET   /applications/{id}                       readers personal
    PUT   /applications/{id}/documents/{document}  hr
    GET   /applications/{id}/history               readers
    GET   /applications/{id}/interviews            readers
    POST  /applications/{id}/interviews            hr call_centre
    GET   /applications/{id}/result                readers personal
    POST  /applications/{id}/steps/{n}             hr call_centre
    POST  /applications/{id}/withdrawal            hr call_centre
    GET   /candidates/{id}                         hr call_centre personal
    POST  /candidates/{id}/erasure                 hr
    GET   /candidates/{id}/export                  hr personal
    GET   /channels                                readers
    POST  /channels                                hr
    GET   /employees                               seen personal
    POST  /employees                               hr call_centre service
    GET   /employees/{id}                          seen personal
    PATCH /employees/{id}                          hr call_centre service
    POST  /employees/{id}/departure                hr call_centre service
    GET   /employees/{id}/history                  hr call_centre manager personal
    GET   /interviews/{id}                         readers
    POST  /interviews/{id}/reschedule              hr
    PUT   /interviews/{id}/sheet                   everybody:own
    GET   /interviews/{id}/sheets                  everybody:own hr call_centre personal
    GET   /job-profiles                            readers
    POST  /job-profiles                            hr call_centre
    GET   /job-profiles/{id}                       readers
    GET   /overdue-steps                           readers
    GET   /requisitions                            readers
    POST  /requisitions                            call_centre
    GET   /requisitions/{id}                       readers
    POST  /requisitions/{id}/applications          hr service
    POST  /requisitions/{id}/channels              hr
    GET   /requisitions/{id}/funnel                readers
    GET   /requisitions/{id}/history               readers
    POST  /requisitions/{id}/lists/{n}             hr call_centre
    GET   /requisitions/{id}/ranking               readers
    POST  /requisitions/{id}/steps/{n}             hr call_centre
    GET   /steps                                   everybody
    GET   /structure                               readers
    PUT   /structure/targets                       hr
    """,
    seen="everybody:own team_lead:team auditor trainer hr call_centre manager service",
    readers="hr call_centre manager service",
)
