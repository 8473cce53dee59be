/** German texts. @type {typeof import("./en.js").en} */
export const de = {
  "page.title": "voicebridge",
  "page.language": "Sprache",
  "page.skip": "Zum Gespräch springen",

  "model.fake": "Demo",
  "model.fake.hint": "Ohne API-Schlüssel antwortet ein eingebauter Ersatz.",
  "model.openai": "OpenAI",
  "model.openai.hint": "Verbunden mit der OpenAI Realtime API.",

  "state.idle": "Bereit",
  "state.connecting": "Verbinde",
  "state.listening": "Ich höre zu",
  "state.hearing": "Ich höre Sie",
  "state.thinking": "Ich überlege",
  "state.speaking": "Ich spreche",
  "state.tool": "Ein Werkzeug arbeitet",
  "state.ended": "Gespräch beendet",
  "state.reconnecting": "Verbinde neu",
  "state.failed": "Nicht verbunden",

  "hint.idle": "Ihr Mikrofon wird nur während eines Gesprächs benutzt.",
  "hint.connecting": "Falls der Browser fragt: bitte das Mikrofon erlauben.",
  "hint.listening": "Sprechen Sie einfach.",
  "hint.hearing": "Machen Sie eine Pause, wenn Sie fertig sind.",
  "hint.thinking": "Einen Moment.",
  "hint.speaking": "Zum Unterbrechen einfach sprechen.",
  "hint.tool": "Das kann etwas dauern. Sie können weitersprechen.",
  "hint.ended": "Sie können jederzeit neu beginnen.",
  "hint.reconnecting":
    "Die Verbindung ist abgerissen. Ich versuche es von selbst wieder.",
  "hint.failed": "",
  "hint.hold": "Halten Sie die Taste oder die Leertaste und sprechen Sie.",
  "hint.muted": "Sie sind stummgeschaltet.",

  "action.start": "Jetzt sprechen",
  "action.again": "Neu beginnen",
  "action.stop": "Beenden",
  "action.cancel": "Abbrechen",
  "action.mute": "Stumm",
  "action.unmute": "Ton an",
  "action.interrupt": "Unterbrechen",
  "action.retry": "Erneut versuchen",
  "action.dismiss": "Schließen",
  "action.send": "Senden",
  "action.mute.speaker": "Assistenten stummschalten",
  "action.hold": "Halten",
  "action.invite": "Andere einladen",
  "action.invited": "Link kopiert",
  "action.join": "Teilnehmen",
  "action.latest": "Zum Neuesten",
  "key.mute": "Taste M",
  "key.interrupt": "Taste Esc",

  "bridge.label": "Lautstärke beider Seiten",
  "bridge.you": "Sie",
  "bridge.assistant": "Assistent",
  "level.microphone": "Pegel des Mikrofons",
  "level.speaker": "Pegel des Lautsprechers",

  "talk.title": "Gespräch",
  "talk.empty.title": "Noch nichts gesagt",
  "talk.empty.text":
    "Was Sie und der Assistent sagen, erscheint hier, während Sie sprechen.",
  "talk.you": "Sie",
  "talk.assistant": "Assistent",
  "talk.typed": "getippt",
  "talk.hearing": "spricht",
  "talk.placeholder": "Tippen statt sprechen",
  "talk.placeholder.idle": "Tippen geht im Gespräch",

  "tool.started": "{name} arbeitet",
  "tool.finished": "{name} ist fertig",
  "tool.failed": "{name} hat nicht geklappt",

  "figures.title": "Verbindung",
  "figures.rtt": "Umlaufzeit",
  "figures.buffer": "Puffer",
  "figures.drops": "Aussetzer",
  "figures.ms": "{value} ms",
  "figures.none": "–",

  "settings.title": "Einstellungen",
  "settings.microphone": "Mikrofon",
  "settings.speaker": "Lautsprecher",
  "settings.default": "Systemstandard",
  "settings.ptt": "Sprechtaste",
  "settings.ptt.hint":
    "Sie sind nur zu hören, solange Sie die Taste oder die Leertaste halten.",
  "settings.echo": "Echounterdrückung",
  "settings.echo.hint": "Nur mit Kopfhörern abschalten.",
  "settings.noise": "Rauschunterdrückung",
  "settings.gain": "Automatische Lautstärke",

  "error.title": "Das hat nicht geklappt",
  "error.insecure_origin":
    "Browser geben das Mikrofon nur an sichere Seiten. Öffnen Sie diese Seite über https oder auf diesem Rechner als http://localhost.",
  "error.microphone_denied":
    "Das Mikrofon ist für diese Seite gesperrt. Erlauben Sie es in den Website-Einstellungen des Browsers und versuchen Sie es erneut.",
  "error.microphone_missing":
    "Es wurde kein Mikrofon gefunden. Schließen Sie eines an und versuchen Sie es erneut.",
  "error.microphone_busy":
    "Das Mikrofon ließ sich nicht öffnen. Vielleicht benutzt es ein anderes Programm.",
  "error.microphone_lost":
    "Das Mikrofon wurde getrennt, deshalb ist das Gespräch beendet.",
  "error.audio_unsupported":
    "Dieser Browser kann Ton nicht live verarbeiten. Bitte benutzen Sie eine aktuelle Version von Chrome, Edge, Firefox oder Safari.",
  "error.server_unreachable":
    "Der Sprachserver ist nicht erreichbar. Prüfen Sie Ihr Netz oder ob der Server läuft.",
  "error.server_timeout": "Der Sprachserver hat nicht rechtzeitig geantwortet.",
  "error.server_bad_answer":
    "Der Sprachserver hat etwas geantwortet, das diese Seite nicht versteht.",
  "error.connection_failed":
    "Die Tonverbindung kam nicht zustande. Vielleicht sperrt sie eine Firewall.",
  "error.connection_lost": "Die Verbindung zum Sprachserver ist abgerissen.",

  "error.session_not_found":
    "Diese Sitzung gibt es nicht mehr. Bitte beginnen Sie neu.",
  "error.invalid_request": "Der Sprachserver hat die Anfrage dieser Seite abgelehnt.",
  "error.invalid_sdp": "Der Sprachserver hat das Verbindungsangebot nicht verstanden.",
  "error.no_audio_in_offer": "Das Verbindungsangebot enthielt keinen Ton.",
  "error.unsupported_media_type":
    "Der Sprachserver hat die Anfrage dieser Seite abgelehnt.",
  "error.body_too_large": "Die Anfrage war dem Sprachserver zu groß.",
  "error.body_timeout":
    "Die Anfrage kam nicht rechtzeitig beim Sprachserver an. Bitte versuchen Sie es erneut.",
  "error.realtime_disabled": "Sprachgespräche sind auf diesem Server abgeschaltet.",
  "error.at_capacity":
    "Der Server ist ausgelastet. Versuchen Sie es gleich noch einmal.",
  "error.model_error":
    "Der Sprachdienst hatte ein Problem. Bitte versuchen Sie es erneut.",
  "error.model_unreachable":
    "Der Sprachdienst ist nicht erreichbar. Versuchen Sie es gleich noch einmal.",
  "error.model_unavailable":
    "Der Sprachdienst ist überlastet. Versuchen Sie es gleich noch einmal.",
  "error.model_timeout":
    "Der Sprachdienst hat nicht rechtzeitig geantwortet. Bitte versuchen Sie es erneut.",
  "error.model_rejected": "Der Sprachdienst hat die Anfrage dieses Servers abgelehnt.",
  "error.model_lost":
    "Die Verbindung zum Sprachdienst ist abgerissen, das Gespräch ist beendet. Bitte beginnen Sie es erneut.",
  "error.media_failed":
    "Die Tonverbindung kam nicht zustande. Bitte versuchen Sie es erneut.",
  "error.tool_failed": "Das Werkzeug hat nicht funktioniert.",
  "error.message_too_large": "Diese Nachricht war zu lang.",
  "error.invalid_json":
    "Der Sprachserver hat eine Nachricht dieser Seite nicht verstanden.",
  "error.unknown_message":
    "Der Sprachserver hat eine Nachricht dieser Seite nicht verstanden.",

  "error.internal": "Etwas Unerwartetes ist schiefgegangen.",
  "error.session_ended": "Der Sprachserver hat die Sitzung beendet.",
};
