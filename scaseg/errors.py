"""The one kind of error that a user can mend."""


class UserError(Exception):
    """Bad input: a config, a file or a flag that the user can put right.

    The message is complete by itself: it names the file or the key, says what is wrong with it and what to do. The
    command line tools print it without a traceback and exit with status 2; every other exception is a defect and keeps
    its traceback. It takes the message alone, so that it survives the way out of a data loader's worker process.
    """
