"""Who may do what in performance, and with whose data? Read by `shared.authorisation`, which says how."""

from shared.authorisation import table

ACCESS = table(
    "/performance",
    """
    GET   /appeals                                        seen
    POST  /appeals                                        everybody:own
    GET   /appeals/{id}                                   seen personal
    POST  /appeals/{id}/decision                          hr manager
    GET   /appraisals                                     seen
    GET   /appraisals/{id}                                seen personal
    POST  /appraisals/{id}/acknowledgement                everybody:own
    POST  /appraisals/{id}/adjustments                    hr manager
    GET   /appraisals/{id}/entries/{entry_id}/days/{day}  seen personal
    GET   /appraisals/{id}/explanation                    seen personal
    GET   /appraisals/{id}/history                        seen personal
    GET   /appraisals/{id}/ratings                        seen personal
    POST  /appraisals/{id}/ratings                        everybody:own hr manager
    GET   /circumstances                                  hr manager personal
    POST  /circumstances                                  hr manager
    GET   /cycles                                         everybody
    POST  /cycles                                         hr manager
    GET   /cycles/{id}                                    everybody
    POST  /cycles/{id}/calculation                        hr manager
    POST  /cycles/{id}/calibration                        hr manager
    GET   /cycles/{id}/fairness                           hr manager
    POST  /cycles/{id}/finalisation                       hr manager
    GET   /cycles/{id}/grades                             hr manager service
    GET   /improvement-plans                              seen
    POST  /improvement-plans/{id}/checkpoints/{n}         team_lead:team hr manager
    GET   /indicators                                     everybody
    POST  /indicators                                     hr manager
    GET   /indicators/values                              seen
    GET   /weightings                                     everybody
    POST  /weightings                                     hr manager
    GET   /weightings/{id}                                everybody
    """,
    seen="agent:own team_lead:team hr manager service",
)
