"""The verb `choose`: which system for a job, and how sure; or a plan of what to measure, which it can carry out."""
