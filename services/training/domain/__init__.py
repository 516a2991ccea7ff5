"""The rules of training, one file a subject: pure, times come in, values go out."""
