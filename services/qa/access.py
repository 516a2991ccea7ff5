"""Who may do what in qa, and with whose data? Read by `shared.authorisation`, which says how."""

from shared.authorisation import table

ACCESS = table(
    "/qa",
    """
    GET    /audit-rules                                   team_lead auditor manager
    PUT    /audit-rules                                   manager
    GET    /audits                                        seen
    POST   /audits                                        auditor
    GET    /audits/{id}                                   seen personal
    POST   /audits/{id}/acknowledgement                   agent:own team_lead:team
    PUT    /audits/{id}/answers                           auditor:own
    POST   /audits/{id}/disputes                          agent:own team_lead:team
    POST   /audits/{id}/disputes/decision                 team_lead:team manager
    GET    /audits/{id}/history                           seen personal
    POST   /audits/{id}/release                           team_lead:team manager
    GET    /audits/{id}/revisions                         seen personal
    POST   /audits/{id}/submit                            auditor:own
    GET    /audits/{id}/suggestions                       seen personal
    POST   /audits/{id}/void                              manager
    GET    /calibrations                                  auditor:own trainer manager
    POST   /calibrations                                  auditor manager
    GET    /calibrations/auditors                         auditor:own manager
    GET    /calibrations/{id}                             auditor:own trainer manager
    GET    /calibrations/{id}/agreement                   auditor:own trainer manager
    POST   /calibrations/{id}/closing                     auditor:own manager
    GET    /check-rules                                   team_lead auditor manager
    PUT    /check-rules                                   manager
    GET    /check-rules/versions                          team_lead auditor manager
    GET    /follow-ups                                    team_lead:team auditor trainer manager service
    POST   /follow-ups/{id}/audit                         auditor
    GET    /numbers                                       seen
    GET    /numbers/weeks                                 seen
    GET    /operating-characteristic                      auditor manager service
    GET    /recordings                                    seen
    GET    /recordings/{id}                               seen personal
    DELETE /recordings/{id}/transcript                    manager service
    GET    /recordings/{id}/transcript                    seen personal
    PUT    /recordings/{id}/transcript                    manager service
    GET    /sample-size                                   auditor manager service
    GET    /sampling-plans                                auditor manager service
    POST   /sampling-plans                                auditor manager
    GET    /sampling-plans/{id}                           auditor manager service
    GET    /sampling-plans/{id}/draws                     auditor manager service
    POST   /sampling-plans/{id}/draws                     auditor manager
    GET    /sampling-plans/{id}/draws/{draw_id}/estimate  auditor manager service
    POST   /sampling-plans/{id}/end                       auditor manager
    GET    /sampling-plans/{id}/periods                   auditor manager service
    GET    /scorecard-drafts                              auditor manager
    POST   /scorecard-drafts                              auditor manager
    GET    /scorecard-drafts/{id}                         auditor manager
    PUT    /scorecard-drafts/{id}                         auditor manager
    POST   /scorecard-drafts/{id}/publication             auditor manager
    GET    /scorecards                                    everybody
    POST   /scorecards                                    auditor manager
    GET    /scorecards/{id}                               everybody
    GET    /scorecards/{id}/export                        everybody
    """,
    seen="agent:own team_lead:team auditor trainer manager service",
)
