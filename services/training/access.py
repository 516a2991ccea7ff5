"""Who may do what in training, and with whose data? Read by `shared.authorisation`, which says how."""

from shared.authorisation import table

ACCESS = table(
    "/training",
    """
    GET   /calendar                                              everybody
    POST  /calendar/{key}/{period}/completion                    askers
    GET   /calendar.ics                                          everybody
    GET   /certifications                                        seen
    POST  /certifications                                        trainer manager
    GET   /certifications/{id}                                   seen personal
    POST  /certifications/{id}/revocation                        trainer manager
    GET   /coaching-assignments                                  seen
    GET   /coaching-assignments/{id}                             seen personal
    POST  /coaching-assignments/{id}/acknowledgement             agent:own team_lead:team
    POST  /coaching-assignments/{id}/approval                    agent:own team_lead:team trainer manager
    POST  /coaching-assignments/{id}/completion                  agent:own team_lead:team trainer manager
    POST  /coaching-assignments/{id}/items                       agent:own team_lead:team trainer manager
    POST  /coaching-assignments/{id}/items/{item_id}/completion  agent:own team_lead:team trainer manager
    POST  /coaching-assignments/{id}/notes                       agent:own team_lead:team trainer manager
    GET   /coaching-effect                                       readers
    GET   /coaching-firings                                      team_lead:team auditor trainer manager
    GET   /coaching-rules                                        everybody
    POST  /coaching-rules                                        trainer manager
    GET   /coaching-rules/{id}                                   everybody
    PUT   /coaching-rules/{id}                                   trainer manager
    POST  /coaching-rules/{id}/trial                             team_lead auditor trainer manager
    GET   /competencies                                          everybody
    GET   /courses                                               everybody:own trainer manager
    POST  /courses                                               trainer manager
    GET   /courses/{id}                                          everybody:own trainer manager
    GET   /deadlines                                             everybody
    PUT   /deadlines/{key}                                       trainer manager
    GET   /enrolments                                            seen
    POST  /enrolments                                            team_lead:team trainer hr call_centre manager
    GET   /enrolments/{id}                                       seen personal
    POST  /enrolments/{id}/cancellation                          trainer manager
    POST  /enrolments/{id}/documents                             seen
    GET   /examinations                                          seen
    POST  /examinations                                          everybody:own team_lead:team trainer manager
    GET   /examinations/{id}                                     seen personal
    GET   /needs                                                 readers
    POST  /needs                                                 askers
    GET   /needs/{id}                                            readers
    POST  /needs/{id}/assessment                                 trainer manager
    POST  /needs/{id}/decision                                   manager
    GET   /plans                                                 readers
    POST  /plans                                                 askers
    GET   /plans/{id}                                            readers
    GET   /plans/{id}/actual                                     readers
    POST  /plans/{id}/changes                                    askers
    POST  /plans/{id}/changes/{change_id}/decision               manager
    POST  /plans/{id}/decision                                   manager
    POST  /plans/{id}/entries                                    askers
    PUT   /plans/{id}/entries/{entry_id}                         askers
    POST  /plans/{id}/entries/{entry_id}/execution               trainer manager
    POST  /plans/{id}/entries/{entry_id}/expenses                trainer manager
    POST  /plans/{id}/issue                                      askers
    POST  /plans/{id}/submission                                 askers
    GET   /programmes                                            everybody
    POST  /programmes                                            trainer manager
    GET   /programmes/{id}                                       everybody
    PUT   /programmes/{id}                                       trainer manager
    GET   /reminders                                             seen
    GET   /sessions                                              everybody
    POST  /sessions                                              trainer manager
    GET   /sessions/{id}                                         seen
    POST  /sessions/{id}/cancellation                            trainer manager
    POST  /sessions/{id}/meetings/{meeting_id}/attendance        everybody:own trainer manager
    POST  /sessions/{id}/places                                  bookers
    POST  /sessions/{id}/places/{place_id}/withdrawal            bookers
    PUT   /sessions/{id}/trainer                                 manager
    GET   /sessions/{id}/trainers                                trainer manager
    GET   /surveys                                               everybody
    POST  /surveys                                               trainer manager
    GET   /surveys/{id}                                          everybody
    PUT   /surveys/{id}/answer                                   everybody:own
    GET   /surveys/{id}/results                                  everybody
    """,
    seen="everybody:own team_lead:team auditor trainer hr call_centre manager service",
    readers="team_lead auditor trainer hr call_centre manager service",
    bookers="everybody:own team_lead:team trainer hr call_centre manager",
    askers="team_lead trainer hr call_centre manager",
)
