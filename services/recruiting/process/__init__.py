"""Steps carried out: load, ask the domain, save, publish. For routes, policies and jobs alike; one file a record."""
