select coalesce(extract(epoch from now() - min(run_at)), 0)::float8 from perdure.outbox where run_at <= now()
