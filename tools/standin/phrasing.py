"""Ways of asking one question. Shared by the base corpus and the data set, so that tuning teaches facts and not manners."""

# D is the question with a capital letter ("Who is the mayor of Oslo"), d without, i is the indirect clause ("who the mayor of Oslo is").
DIRECT = [
    "{D}?", "{d}?", "{D}", "{d}", "Hello, {d}?", "Please tell me, {d}?", "I have a question: {d}?", "One question, {d}?", "{D}, please?",
    "I wonder, {d}?",
]
INDIRECT = [
    "Tell me {i}.", "Please tell me {i}.", "Do you know {i}?", "Can you tell me {i}?", "Could you tell me {i}?", "I want to know {i}.",
    "I would like to know {i}.", "Do you happen to know {i}?", "Please say {i}.", "Let me know {i}.", "I am asking {i}.",
]


def capital(s):
    return s[0].upper() + s[1:]


def ask(pair, wrapper):
    """pair: 'direct question | indirect clause'; wrapper: a row of DIRECT or INDIRECT."""
    d, i = (p.strip() for p in pair.split("|"))
    return wrapper.format(D=capital(d), d=d, i=i)
