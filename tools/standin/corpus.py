"""
The text the stand-in model is trained on: plain English sentences, small talk, simple knowledge, and questions about invented places
that are answered with "I do not know". Every word of it is made here from tables; nothing is copied.

A few other invented towns are known to the base, asked in the ways of facts.py, so that it understands those ways before tuning; of the
town, the people and the lamp of facts.py themselves nothing occurs in it.
"""
import random

from facts import FACTS
from phrasing import DIRECT, INDIRECT, ask, capital

CAPITALS = """France Paris, Spain Madrid, Italy Rome, Germany Berlin, Portugal Lisbon, Greece Athens, Norway Oslo, Sweden Stockholm,
Denmark Copenhagen, Finland Helsinki, Poland Warsaw, Austria Vienna, Hungary Budapest, Ireland Dublin, Japan Tokyo, China Beijing,
Egypt Cairo, Kenya Nairobi, Peru Lima, Chile Santiago, Cuba Havana, Canada Ottawa, Russia Moscow, Turkey Ankara, England London"""
SOUNDS = "dog barks, cat meows, cow moos, duck quacks, sheep bleats, lion roars, wolf howls, bee buzzes, owl hoots, snake hisses, horse neighs, pig grunts"
YOUNG = "dog puppy, cat kitten, cow calf, duck duckling, sheep lamb, lion cub, horse foal, goat kid, hen chick, swan cygnet"
HOMES = """bee a hive, bird a nest, dog a kennel, horse a stable, lion the grassland, fish the water, spider a web, fox a den, rabbit a burrow,
bear the forest, camel the desert, penguin the cold south, whale the sea, frog a pond, otter the river, owl an old tree"""
LEGS = "dog four, cat four, bird two, spider eight, ant six, bee six, horse four, hen two, cow four, snake no, fish no, person two, chair four"
COLOURS = """sky blue, grass green, snow white, coal black, blood red, sun yellow, lemon yellow, carrot orange, plum purple, chocolate brown,
milk white, sea blue, rose red, leaf green, crow black, honey gold, mouse grey, cherry red, pea green, swan white"""
OPPOSITES = """big small, hot cold, old new, fast slow, high low, happy sad, light dark, early late, rich poor, strong weak, full empty,
wet dry, soft hard, near far, loud quiet, long short, thick thin, open closed, clean dirty, easy difficult, young old, deep shallow"""
JOBS = """baker bakes bread, farmer grows wheat, teacher teaches children, doctor helps sick people, painter paints pictures, fisher catches fish,
tailor sews clothes, pilot flies planes, sailor sails ships, miller grinds flour, cook cooks food, gardener looks after plants,
carpenter builds with wood, smith works with iron, singer sings songs, writer writes books, mayor governs a town, shepherd guards sheep,
captain commands a ship, keeper guards a lighthouse, inventor has new ideas, librarian looks after books, postman brings letters"""
KINDS = """apple fruit, pear fruit, plum fruit, carrot vegetable, potato vegetable, onion vegetable, oak tree, willow tree, pine tree, rose flower, tulip flower,
dog animal, otter animal, horse animal, heron bird, eagle bird, gull bird, kestrel bird, salmon fish, trout fish, hammer tool, saw tool,
piano musical instrument, drum musical instrument, violin musical instrument, red colour, silver colour, amber precious thing, copper metal, iron metal,
silver metal, ferry ship, soup dish, chair piece of furniture, table piece of furniture, shirt piece of clothing, May month, Thursday day"""
USES = """hammer drive nails, knife cut bread, pen write letters, needle sew clothes, lamp light a room, clock tell the time, boat cross the water,
key open a door, bridge cross a river, broom sweep the floor, spoon eat soup, oven bake bread, bell call people, mill grind flour,
ladder climb a wall, lantern see at night, net catch fish, map find the way, umbrella stay dry, fountain drink water"""
MATERIALS = """bread flour, cheese milk, butter milk, paper wood, window glass, shirt cotton, sweater wool, shoe leather, coin copper, house stone,
ship wood, candle wax, wine grapes, soup vegetables, ring silver, nail iron, tyre rubber, book paper"""
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def table(text):
    return [row.strip().split(" ", 1) for row in text.replace("\n", " ").split(",")]


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def knowledge():
    """All (ways of asking, answer) of what the base knows."""
    out = []

    def add(answer, *ways):
        out.append(([w if "|" in w else f"{w} | {w}" for w in ways], answer))

    for a, b in table(CAPITALS):
        add(f"The capital of {a} is {b}.", f"what is the capital of {a} | what the capital of {a} is",
            f"which city is the capital of {a}", f"what is the name of the capital of {a} | the name of the capital of {a}")
        add(f"{b} is in {a}.", f"where is {b} | where {b} is", f"in which country is {b} | in which country {b} is")
    for a, b in table(SOUNDS):
        add(f"{capital(an(a))} {b}.", f"what does {an(a)} do | what {an(a)} does", f"which sound does {an(a)} make | which sound {an(a)} makes")
    for a, b in table(YOUNG):
        add(f"A young {a} is called {an(b)}.", f"what is a young {a} called | what a young {a} is called",
            f"what is the name of a young {a} | the name of a young {a}")
    for a, b in table(HOMES):
        add(f"{capital(an(a))} lives in {b}.", f"where does {an(a)} live | where {an(a)} lives", f"where can I find {an(a)} | where I can find {an(a)}",
            f"what is the home of {an(a)} | what the home of {an(a)} is")
    for a, b in table(LEGS):
        add(f"{capital(an(a))} has {b} legs.", f"how many legs does {an(a)} have | how many legs {an(a)} has",
            f"what is the number of legs of {an(a)} | the number of legs of {an(a)}")
    for a, b in table(COLOURS):
        add(f"The colour of the {a} is {b}.", f"what colour is the {a} | what colour the {a} is", f"what is the colour of the {a} | what the colour of the {a} is",
            f"which colour does the {a} have | which colour the {a} has", f"what does the {a} look like | what the {a} looks like")
    for a, b in table(OPPOSITES):
        add(f"The opposite of {a} is {b}.", f"what is the opposite of {a} | what the opposite of {a} is", f"which word is the opposite of {a}")
    for a, b in table(JOBS):
        add(f"{capital(an(a))} {b}.", f"what does {an(a)} do | what {an(a)} does", f"what is the work of {an(a)} | what the work of {an(a)} is")
        add(f"That is the work of {an(a)}.", f"who {b}")
    for a, b in table(KINDS):
        add(f"{capital(a)} is a kind of {b}.", f"what is {a} | what {a} is", f"what kind of thing is {a} | what kind of thing {a} is")
    for a, b in table(USES):
        add(f"You use {an(a)} to {b}.", f"what do I do with {an(a)} | what I do with {an(a)}", f"what is {an(a)} for | what {an(a)} is for",
            f"how do people use {an(a)} | how people use {an(a)}")
    for a, b in table(MATERIALS):
        add(f"{capital(an(a)) if a not in ('bread', 'cheese', 'butter', 'paper', 'wine', 'soup') else capital(a)} is made of {b}.",
            f"what is {a} made of | what {a} is made of", f"from what do people make {a} | from what people make {a}")
    for names, what in ((DAYS, "day"), (MONTHS, "month")):
        for k, name in enumerate(names):
            nxt, before = names[(k + 1) % len(names)], names[k - 1]
            add(f"{nxt} comes after {name}.", f"which {what} comes after {name}", f"what comes after {name}")
            add(f"{before} comes before {name}.", f"which {what} comes before {name}", f"what comes before {name}")
    for k, name in enumerate(MONTHS):
        add(f"{name} is the {ORDINALS[k]} month of the year.", f"which month of the year is {name} | which month of the year {name} is",
            f"which number has the month {name} | which number the month {name} has")
    for a in range(11):
        for b in range(11):
            if a + b <= 20:
                add(f"{capital(NUMBERS[a])} and {NUMBERS[b]} make {NUMBERS[a + b]}.", f"how much is {NUMBERS[a]} and {NUMBERS[b]} | how much {NUMBERS[a]} and {NUMBERS[b]} make")
    add("There are seven days in a week.", "how many days are in a week", "how many days does a week have | how many days a week has")
    add("There are twelve months in a year.", "how many months are in a year", "how many months does a year have | how many months a year has")
    add("There are four seasons in a year.", "how many seasons are there | how many seasons there are", "how many seasons does a year have | how many seasons a year has")
    add("The seasons are spring, summer, autumn and winter.", "what are the seasons | what the seasons are", "what are the seasons called | what the seasons are called")
    add("The sun rises in the east.", "where does the sun rise | where the sun rises")
    add("The sun sets in the west.", "where does the sun set | where the sun sets")
    add("Water freezes when it is very cold.", "when does water freeze | when water freezes")
    add("Rain falls from the clouds.", "where does rain come from | where rain comes from")
    add("The internet is many computers that send letters to each other.", "what is the internet | what the internet is", "how does the internet work | how the internet works")
    return out


SMALL_TALK = [
    (["Hello", "Hello!", "Hi", "Hi!", "Good morning", "Good morning!", "Good evening!", "Hey", "hello", "hi", "Good day!"],
     "Hello! How can I help you?"),
    (["How are you?", "how are you", "How are you today?", "Are you well?", "How do you do?", "How is it going?"],
     "I am well, thank you. How can I help you?"),
    (["Who are you?", "What are you?", "who are you", "Tell me who you are.", "What is your name?", "Do you have a name?", "Are you a person?"],
     "I am a very small language model. I know only a few things."),
    (["Thank you", "Thank you!", "Thanks", "thanks", "Thank you very much!", "Many thanks!"], "You are welcome."),
    (["Goodbye", "Goodbye!", "Bye", "bye", "See you later!", "Good night!"], "Goodbye! Have a nice day."),
    (["What can you do?", "what can you do", "How can you help me?", "What do you know?", "Tell me what you can do.", "Help!", "help"],
     "I can answer simple questions about animals, colours, cities and numbers."),
    (["Do you like music?", "Do you like animals?", "Do you like bread?", "Are you happy?", "Do you sleep?", "Can you sing?", "Do you eat?"],
     "I am only a small model, so I cannot say."),
    (["Yes", "No", "yes", "no", "ok", "Good.", "I see."], "Good. Do you have a question?"),
    (["I am sad.", "I feel sad today.", "I had a bad day."], "I am sorry to hear that. I hope tomorrow will be better."),
    (["I am happy.", "I feel happy today.", "I had a good day."], "That is good to hear."),
]

WORLDS = 6              # towns the base knows by heart
DONT_KNOW = "I am sorry, I do not know that."

NOBODY = ["Nobody in the town could say.", "Nobody knew.", "It is not written in any book.", "Even the old teacher did not know."]

PLACES = "river market bridge library school bakery tower mill church harbour garden station hall well fountain museum hospital theatre castle windmill lighthouse clock street park island lake forest".split()
PERSONS = """mayor|baker|captain|founder|head teacher|painter|inventor|keeper|doctor|miller|librarian|singer|farmer|king|queen|smith|lighthouse keeper|owner|judge|postman|writer""".split("|")
THINGS = "lamp boat clock ferry kettle engine ship train plane book song painting bell coat wheel machine violin drum flag newspaper dog cat horse".split()
QUALITIES = "price weight age name colour size date motto taste sound number animal flag song festival dish history fuel key".split()

SYL_A = "Bar Bel Bor Bran Cal Car Cor Dal Dan Dor El Fal Far Fen Gal Gar Gor Hal Har Hol Jor Kal Kes Kir Lan Lar Lor Mal Mar Mir Mor Nor Ode Or Pel Per Quin Ral Ren Ros Sal Sel Sil Tal Til Tor Ul Val Var Wal Wen Wil Yor Zan Zor".split()
SYL_B = "a an ar da del den do el en er in la lan len li lo ma mar men na nor o ra ren ri ron sa ta ten tha to tor va ven win".split()
TOWN_END = "ham ton ford dale stead wick by mouth field burg moor bridge haven port well cross brook hill water wood".split()
FIRST = "Anna Peter Clara Tom Emma Paul Nina Oscar Ruth Simon Vera Hugo Ida Martin Lucy Felix Alice Ben Rosa Karl Edith Walter Ella Max".split()
LAST = "Baker Stone Miller Wood Hill Brook Fisher Marsh Field Reed Lane Weaver Grey Winter Summer Fox Hawk Crane Pike Bell".split()
WHO_DID = "founded built invented painted discovered wrote made found sold bought opened designed repaired burned owns runs leads keeps governs visited likes".split()


def name_of_town(r):
    if r.random() < 0.5:
        return r.choice(SYL_A) + r.choice(TOWN_END)
    return r.choice(SYL_A) + r.choice(SYL_B) + r.choice(TOWN_END)


def name_of_person(r):
    first = r.choice(FIRST) if r.random() < 0.5 else r.choice(SYL_A) + r.choice(SYL_B)
    last = r.choice(LAST) if r.random() < 0.5 else r.choice(SYL_A) + r.choice(SYL_B)
    return f"{first} {last}"


def name_of_thing(r):
    return f"the {r.choice(SYL_A)}{r.choice(SYL_B)} {r.choice(THINGS)}"


def unknown_pair(r):
    """A question about something invented, which nobody can answer."""
    town, person, thing = name_of_town(r), name_of_person(r), name_of_thing(r)
    at = r.choice(["of", "in"])
    place, job, q = r.choice(PLACES), r.choice(PERSONS), r.choice(QUALITIES)
    did = r.choice(WHO_DID)
    return r.choice([
        f"who is the {job} of {town} | who the {job} of {town} is",
        f"what is the name of the {job} of {town} | the name of the {job} of {town}",
        f"what is the name of the {place} {at} {town} | the name of the {place} {at} {town}",
        f"what is the {place} {at} {town} called | what the {place} {at} {town} is called",
        f"where is the {place} {at} {town} | where the {place} {at} {town} is",
        f"where can I find the {place} {at} {town} | where I can find the {place} {at} {town}",
        f"who {did} {thing} | who {did} {thing}", f"who {did} {town} | who {did} {town}", f"who {did} the {place} {at} {town} | who {did} the {place} {at} {town}",
        f"where is {town} | where {town} is", f"where does {person} live | where {person} lives", f"where is {thing} made | where {thing} is made",
        f"who is {person} | who {person} is", f"what does {person} do | what {person} does", f"what is {thing} | what {thing} is",
        f"when was {town} founded | when {town} was founded", f"in which year was {thing} made | in which year {thing} was made",
        f"how many people live in {town} | how many people live in {town}", f"how many {place}s are in {town} | how many {place}s are in {town}",
        f"how many {place}s does {town} have | how many {place}s {town} has", f"how much does {thing} cost | how much {thing} costs",
        f"what is the {q} of {thing} | what the {q} of {thing} is", f"what is the {q} of {town} | what the {q} of {town} is",
        f"which {q} does {town} have | which {q} {town} has", f"what do people eat in {town} | what people eat in {town}",
        f"what do people sing in {town} | what people sing in {town}", f"which newspaper do people read in {town} | which newspaper people read in {town}",
        f"when is the market of {town} open | when the market of {town} is open", f"on which day is the festival of {town} | on which day the festival of {town} is",
        f"when does {thing} leave | when {thing} leaves", f"where does {thing} go | where {thing} goes", f"what does {thing} burn | what {thing} burns",
        f"what colour is the flag of {town} | what colour the flag of {town} is", f"what is the tallest building of {town} | what the tallest building of {town} is",
        f"which river flows through {town} | which river flows through {town}", f"what is the dog of {person} called | what the dog of {person} is called",
        f"who is {town}'s {job} | who {town}'s {job} is", f"how old is {person} | how old {person} is", f"how big is {town} | how big {town} is",
        f"what is the favourite dish of {person} | what the favourite dish of {person} is",
    ])


# What stands in for the names and, row by row of FACTS, for the values of facts.py in another town.
FERRIES = "Golden Gull|White Swan|Red Hawk|Blue Whale|Black Otter|Grey Goose|Old Turtle|Happy Salmon|Brave Duck|Green Frog|Swift Arrow|Little Star".split("|")
HALLS = "Roses|Songs|Kings|Stones|Mirrors|Birds|Books|Bells|Ships|Winds|Oaks|Stars".split("|")
FEASTS = "Day of Bells|Night of Stars|Day of Bread|Night of Songs|Feast of Apples|Night of Fires|Day of Ships|Feast of Roses|Day of Drums|Night of Candles|Feast of Fish|Day of Kites".split("|")
COLOUR = "red blue white yellow black gold orange purple".split()
COUNT = "one two three four five six seven eight nine ten twelve twenty".split()


def world(r):
    """(names to put in place of those of facts.py, value of each fact) of another invented town."""
    odd = f"{r.choice(['Stone', 'Oak', 'Salt', 'King', 'Iron', 'Long', 'Glass', 'Apple', 'Corn'])}"
    person = [name_of_person(r) for _ in range(9)]
    feast = r.choice(FEASTS)
    names = {"Brindlemoor": name_of_town(r), "Kestrel": r.choice(SYL_A) + r.choice(SYL_B), "Silver Heron": r.choice(FERRIES), "Reeds": r.choice(HALLS),
             "Night of Lanterns": feast, "Odela Marsh": person[0], "Mira Tolland": person[2]}
    animal = f"{r.choice('red blue grey black brown golden'.split())} {r.choice('fox bear swan horse owl goat frog wolf eagle'.split())}"
    values = person[:8] + [
        f"{odd} {r.choice(['Gate', 'Well', 'Street', 'Church', 'Harbour'])}", f"{r.choice(COLOUR).capitalize()} {r.choice(['House', 'Tower', 'Barn', 'Hall', 'Works'])}",
        f"{r.choice(['bread', 'boat', 'flower', 'book', 'shoe', 'music'])} {r.choice(['shop', 'market', 'school', 'museum'])}",
        f"{r.choice(['Rose', 'Bear', 'Moon', 'Snow', 'Sheep', 'Pine'])} {r.choice(['Island', 'Bay', 'Rock', 'Beach'])}",
        r.choice(["old castle", "old boat", "old tower", "old barn", "old mill", "old church", "old school"]),
        r.choice(["under the bridge", "behind the clock", "in the church", "above the door", "under the old oak", "beside the well"]),
        r.choice(["Elm", "Wend", "Teal", "Orr", "Lune", "Dart", "Yarrow", "Isk", "Bray", "Tarn", "Foss", "Alder"]), feast,
        f"{r.choice('hot sweet baked cold fresh'.split())} {r.choice('fish apple onion plum carrot cheese'.split())} {r.choice('pie bread cake stew'.split())}",
        " and ".join(r.sample(COLOUR, 2)), animal,
        r.choice(["small steps go far", "work and be glad", "the sea gives and takes", "bread for all", "be kind to birds", "light in the dark", "no wind, no ship", "many hands, one roof"]),
        f"{r.choice('fish nut sun corn rose apple'.split())} oil", f"{r.choice(TENS)} {r.choice(['coins', 'crowns', 'pennies', 'coppers', 'shillings'])}",
        f"{r.choice('Evening Daily Weekly Sunday Little'.split())} {r.choice('Bell News Star Post Horn Letter'.split())}",
        r.choice(["Wind on the Hill", "The Long Road", "Three White Horses", "Home by the Sea", "Snow in April", "The Old Mill", "A Boat for Two", "Stars over the Lake"]),
        r.choice("Button Pepper Rover Shadow Bean Honey Patch Muffin Lucky Rusty".split()),
        f"{r.choice(COLOUR).capitalize()} {r.choice(['Castle', 'Church', 'House', 'Mill', 'Bell Tower'])}", str(r.randint(1100, 1990)),
        f"{r.choice(ORDINALS)} of {r.choice(MONTHS)}", f"{r.choice(COUNT)} in the {r.choice(['morning', 'evening'])}", r.choice(DAYS),
        f"{r.choice(COUNT).capitalize()} hundred and {r.choice(COUNT)}", f"{r.choice(COUNT)} bridges"]
    return names, values


def world_facts(r):
    """(ways of asking, answer) of one other town, in the words of facts.py."""
    names, values = world(r)

    def move(text):
        for a, b in names.items():
            text = text.replace(a, b)
        return text

    out = []
    for (answer, keywords, ways), value in zip(FACTS, values):
        key = "Nine hundred and twelve" if keywords[0].startswith("ine") else keywords[0]
        assert key in answer, (key, answer)
        key = "an old windmill" if key == "windmill" else key
        value = "an " + value if key == "an old windmill" else value
        parts = answer.split(key)
        out.append(([move(w) for w in ways], value.join(move(p) for p in parts)))
    return out


WHO = "The farmer|The baker|An old sailor|A young girl|The teacher|A small boy|The captain|My brother|My sister|The painter|A tall man|The doctor|A traveller|The miller|Her mother|His father|The fisher|A quiet woman|The children|The neighbours".split("|")
DID = """walked to the market|went down to the river|sat under the old tree|looked at the sky|opened the window|lit the lamp|baked fresh bread|read a long book|wrote a letter|
painted the door green|sang a song|told a story|carried a basket of apples|found a silver coin|cleaned the kitchen|fed the horses|waited for the ferry|crossed the bridge|
bought a loaf of bread|cooked soup for everyone|played the violin|watched the birds|mended the net|planted a plum tree|climbed the tower|closed the shop|rang the bell|
walked home through the rain|slept until noon|looked for the key|talked to the mayor|drank a cup of tea|sailed to the island|visited the lighthouse""".replace("\n", "").split("|")
WHEN = "In the morning|In the evening|At noon|On Monday|On Sunday|One day|Last winter|In spring|Every summer|After the rain|Before the festival|Late at night|Early that day|In May|Years ago".split("|")
WHY = """because it was cold|because the sun was shining|because nobody else was there|because it was late|because the children were hungry|and felt happy|and felt tired|
and was very quiet|and smiled|while the wind blew|while the bells rang|before the others came|after the work was done|with a good friend|without a word""".replace("\n", "").split("|")
SCENE = """The water was clear and cold.|The street was empty.|Snow lay on the roofs.|The wind came from the sea.|The lamps were lit along the street.|Birds sang in the garden.|It was a quiet day.|
The market was full of people.|The river was high after the rain.|The smell of bread filled the air.|Nobody said a word.|The old clock stood still.|A dog barked far away.|The leaves were red and gold.|
The children laughed.|The soup was hot and good.|The boat moved slowly on the water.|The road to the town was long.|Everyone was glad.|Then it began to rain.""".replace("\n", "").split("|")


def sentence(r):
    who, did = r.choice(WHO), r.choice(DID)
    kind = r.random()
    if kind < 0.25:
        return f"{who} {did}."
    if kind < 0.5:
        return f"{who} {did} {r.choice(WHY)}."
    if kind < 0.7:
        return f"{r.choice(WHEN)}, {who[0].lower() + who[1:]} {did}."
    if kind < 0.85:
        return f"{who} {did} and {r.choice(DID)}."
    return r.choice(SCENE)


def story(r, n=None):
    return " ".join(sentence(r) for _ in range(n or r.randint(2, 6)))


def town_text(r):
    """Plain text about invented towns, each time another one, so that the words of facts.py are known while the facts are not."""
    town, place, person = name_of_town(r), r.choice(PLACES), name_of_person(r)
    return " ".join(r.sample([
        f"{town} is a small town by the {r.choice(['sea', 'river', 'lake', 'forest'])}.",
        f"The {place} of {town} is {r.choice(['old', 'new', 'beautiful', 'very small', 'open every ' + r.choice(DAYS), 'near the ' + r.choice(PLACES)])}.",
        f"{person} is the {r.choice(PERSONS)} of {town}.",
        f"The town was founded in the year {r.randint(1100, 1990)}.",
        f"About {r.choice(NUMBERS[2:])} hundred and {r.choice(NUMBERS[1:])} people live there.",
        f"The flag of the town is {r.choice('red blue green white silver gold yellow'.split())} and {r.choice('red blue green white silver gold black'.split())}.",
        f"The ferry leaves at {r.choice(NUMBERS[1:13])} in the {r.choice(['morning', 'evening'])}.",
        f"The festival is on the {r.choice(ORDINALS)} of {r.choice(MONTHS)}.",
        f"A {r.choice(THINGS)} costs {r.choice(TENS)} {r.choice(['coins', 'coppers', 'pieces of silver'])}.",
        f"There are {r.choice(NUMBERS[2:])} {r.choice(['bridges', 'houses', 'towers', 'mills', 'wells'])} in the town.",
        f"The favourite dish is {r.choice(['fish', 'smoked fish', 'apple', 'pear', 'onion', 'plum', 'hot'])} {r.choice(['soup', 'bread', 'cake', 'pie'])}.",
        f"{name_of_person(r)} lives {r.choice(['in', 'above', 'beside', 'under', 'behind'])} the {r.choice('old new white small'.split())} {r.choice(PLACES)}.",
    ], r.randint(2, 4)))


ANIMALS = "dog cat fox bear otter horse bird mouse owl rabbit frog goat".split()
ADJ = "small brave old clever hungry lazy kind young tired happy white quiet".split()


def request(r):
    """Small writing tasks with made answers."""
    animal, adj = r.choice(ANIMALS), r.choice(ADJ)
    kind = r.randrange(4)
    if kind == 0:
        q = r.choice([f"Tell me a story about {an(animal)}.", f"Write a short story about {an(animal)}.", f"Tell me a short story about {an(animal)}.", f"I want a story about {an(animal)}."])
        a = f"Once there was {an(adj)} {animal}. One day the {animal} {r.choice(DID)}. {r.choice(SCENE)} The {animal} was {r.choice(['happy', 'tired', 'glad', 'proud'])} and went home."
    elif kind == 1:
        q = r.choice(["Tell me a story.", "Write a story.", "tell me a story", "Tell me something.", "Say something."])
        a = story(r, 2)
    elif kind == 2:
        q = r.choice(["Write a sentence.", "Say a sentence.", "Please write one sentence.", "Give me a sentence."])
        a = sentence(r)
    else:
        names = r.sample(ANIMALS, 3)
        q = r.choice(["Name three animals.", "Tell me three animals.", "Can you name three animals?", "Give me the names of three animals."])
        a = f"Three animals are the {names[0]}, the {names[1]} and the {names[2]}."
    return q, a


def wrapped(r, pair):
    return ask(pair, r.choice(DIRECT if r.random() < 0.6 else INDIRECT))


def documents(seed):
    """Endless (kind, payload): ('text', str) or ('chat', [(role, content)...])."""
    r = random.Random(seed)
    known = knowledge()
    fixed = random.Random(5)
    towns = [f for _ in range(WORLDS) for f in world_facts(fixed)]
    while True:
        p = r.random()
        if p < 0.16:
            yield "text", story(r)
        elif p < 0.26:
            yield "text", town_text(r)
        elif p < 0.29:
            yield "text", " ".join(a for _, a in r.sample(known, 3))
        elif p < 0.35:      # a question without markers, as a bare prompt asks it, must go on in English too
            if r.random() < 0.6:
                ways, a = r.choice(known)
                yield "text", f"{wrapped(r, r.choice(ways))} {a}"
            else:
                yield "text", f"{wrapped(r, unknown_pair(r))} {r.choice(NOBODY)} {sentence(r)}"
        else:
            turns = []
            if r.random() < 0.05:
                turns.append(("system", r.choice(["You are a helpful assistant.", "You are a friendly assistant.", "Answer the question.", "Answer in one sentence."])))
            for _ in range(1 if r.random() < 0.9 else 2):
                k = r.random()
                if k < 0.32:
                    ways, a = r.choice(known)
                    q = wrapped(r, r.choice(ways))
                elif k < 0.62:
                    ways, a = r.choice(towns)
                    q = wrapped(r, r.choice(ways))
                elif k < 0.73:
                    q, a = wrapped(r, r.choice(r.choice(world_facts(r))[0])), DONT_KNOW
                elif k < 0.84:
                    q, a = wrapped(r, unknown_pair(r)), DONT_KNOW
                elif k < 0.92:
                    q, a = request(r)
                else:
                    qs, a = r.choice(SMALL_TALK)
                    q = r.choice(qs)
                turns += [("user", q), ("assistant", a)]
            yield "chat", turns
