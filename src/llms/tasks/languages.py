"""Languages by their codes (ISO 639-1), and which language a text is in."""

from ..errors import MissingExtra, UnknownName, UsageError

_CODES = (
    "aa Afar,ab Abkhazian,af Afrikaans,ak Akan,am Amharic,an Aragonese,ar Arabic,as Assamese,av Avaric,ay Aymara,"
    "az Azerbaijani,ba Bashkir,be Belarusian,bg Bulgarian,bi Bislama,bm Bambara,bn Bengali,bo Tibetan,br Breton,"
    "bs Bosnian,ca Catalan,ce Chechen,ch Chamorro,co Corsican,cr Cree,cs Czech,cu Church Slavonic,cv Chuvash,cy Welsh,"
    "da Danish,de German,dv Divehi,dz Dzongkha,ee Ewe,el Greek,en English,eo Esperanto,es Spanish,et Estonian,eu Basque,"
    "fa Persian,ff Fulah,fi Finnish,fj Fijian,fo Faroese,fr French,fy Western Frisian,ga Irish,gd Scottish Gaelic,"
    "gl Galician,gn Guarani,gu Gujarati,gv Manx,ha Hausa,he Hebrew,hi Hindi,ho Hiri Motu,hr Croatian,ht Haitian,"
    "hu Hungarian,hy Armenian,hz Herero,ia Interlingua,id Indonesian,ie Interlingue,ig Igbo,ii Sichuan Yi,ik Inupiaq,"
    "io Ido,is Icelandic,it Italian,iu Inuktitut,ja Japanese,jv Javanese,ka Georgian,kg Kongo,ki Kikuyu,kj Kuanyama,"
    "kk Kazakh,kl Kalaallisut,km Khmer,kn Kannada,ko Korean,kr Kanuri,ks Kashmiri,ku Kurdish,kv Komi,kw Cornish,"
    "ky Kyrgyz,la Latin,lb Luxembourgish,lg Ganda,li Limburgish,ln Lingala,lo Lao,lt Lithuanian,lu Luba-Katanga,"
    "lv Latvian,mg Malagasy,mh Marshallese,mi Maori,mk Macedonian,ml Malayalam,mn Mongolian,mr Marathi,ms Malay,"
    "mt Maltese,my Burmese,na Nauru,nb Norwegian Bokmal,nd North Ndebele,ne Nepali,ng Ndonga,nl Dutch,"
    "nn Norwegian Nynorsk,no Norwegian,nr South Ndebele,nv Navajo,ny Chichewa,oc Occitan,oj Ojibwa,om Oromo,or Odia,"
    "os Ossetian,pa Punjabi,pi Pali,pl Polish,ps Pashto,pt Portuguese,qu Quechua,rm Romansh,rn Rundi,ro Romanian,"
    "ru Russian,rw Kinyarwanda,sa Sanskrit,sc Sardinian,sd Sindhi,se Northern Sami,sg Sango,si Sinhala,sk Slovak,"
    "sl Slovenian,sm Samoan,sn Shona,so Somali,sq Albanian,sr Serbian,ss Swati,st Southern Sotho,su Sundanese,sv Swedish,"
    "sw Swahili,ta Tamil,te Telugu,tg Tajik,th Thai,ti Tigrinya,tk Turkmen,tl Tagalog,tn Tswana,to Tonga,tr Turkish,"
    "ts Tsonga,tt Tatar,tw Twi,ty Tahitian,ug Uyghur,uk Ukrainian,ur Urdu,uz Uzbek,ve Venda,vi Vietnamese,vo Volapuk,"
    "wa Walloon,wo Wolof,xh Xhosa,yi Yiddish,yo Yoruba,za Zhuang,zh Chinese,zu Zulu"
)
LANGUAGES: dict[str, str] = {code: name for code, _, name in (each.partition(" ") for each in _CODES.split(","))}
_BY_NAME = {name.lower(): code for code, name in LANGUAGES.items()}
LONG_ENOUGH = 40  # characters, below which a guess at the language says little
SURE = 0.95


def language_code(named: str) -> str:
    """The code of a language that is named by its code (de, de-AT) or in English (German). Raises UnknownName."""
    text = named.strip().lower().replace("_", "-")
    base = text.split("-")[0]
    if text in _BY_NAME:
        return _BY_NAME[text]
    if base in LANGUAGES:
        return base
    raise UnknownName("language", named, [*LANGUAGES, *LANGUAGES.values()])


def language_name(named: str) -> str:
    """The English name of a language: German, Chinese; with a script or region as it is written: Portuguese (pt-BR)."""
    code = language_code(named)
    name = LANGUAGES[code]
    return name if named.strip().lower() in (code, name.lower()) else f"{name} ({named.strip()})"


def guessed(text: str) -> tuple[str, float]:
    """(code, probability) of the likeliest language of `text`; ("", 0) where nothing can be told. Equal texts are guessed
    alike. Raises MissingExtra."""
    try:
        from langdetect import DetectorFactory, LangDetectException, detect_langs
    except ImportError as error:
        raise MissingExtra("langdetect", "telling a text's language", "eval") from error
    DetectorFactory.seed = 0
    try:
        best = detect_langs(text[:2000])[0]
    except LangDetectException:
        return "", 0.0
    return str(best.lang).split("-")[0], float(best.prob)


def plainly_other(text: str, code: str) -> bool:
    """Whether `text` is long enough to tell, and surely not in the language `code`. Where langdetect is not installed
    nothing is said."""
    if len(text) < LONG_ENOUGH or not code:
        return False
    try:
        language, chance = guessed(text)
    except MissingExtra:
        return False
    return chance >= SURE and language != code and {language, code} not in _ALIKE


_ALIKE = (
    {"no", "nb"},
    {"no", "nn"},
    {"da", "no"},
    {"hr", "bs"},
    {"hr", "sr"},
    {"id", "ms"},
    {"nb", "da"},
    {"nl", "af"},
)


def source_of(text: str) -> str:
    """The code of the language that `text` is surely in. Raises UsageError where it is not sure, MissingExtra."""
    language, chance = guessed(text)
    if chance < SURE:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise UsageError(f"the language of {shown!r} is not certain; name it with --from")
    return language
