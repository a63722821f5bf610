// German. The keys of this catalogue are the texts that there are: a text is added by writing it here, in the other
// catalogues, and where it is said. Formal address; quotation marks as printed.

const texts = /** @type {const} */ ({
  "The panel does not answer.": "Das Panel antwortet nicht.",
  "This page tries again by itself.": "Diese Seite versucht es von selbst wieder.",
  "QR code. The link that it holds stands on this page as text.":
    "QR-Code. Der Link, den er enthält, steht auf dieser Seite auch als Text.",
  "Code for the new device": "Code für das neue Gerät",
  "What to do": "Was zu tun ist",
  "On your phone, open the Assent app, or the camera, and scan this code.":
    "Öffnen Sie auf Ihrem Telefon die Assent-App oder die Kamera, und scannen Sie diesen Code.",
  "Press “Register this device” there. The phone then shows six digits.":
    "Drücken Sie dort „Dieses Gerät registrieren“. Das Telefon zeigt dann sechs Ziffern.",
  "Type the digits here. This page goes on by itself once the phone is there.":
    "Tippen Sie die Ziffern hier ein. Diese Seite geht von selbst weiter, sobald das Telefon da ist.",
  "On an iPhone or iPad: open {app} first, add it to the Home Screen, open it from there, and scan inside it.":
    "Auf einem iPhone oder iPad: Öffnen Sie zuerst {app}, legen Sie es auf den Home-Bildschirm, öffnen Sie es von dort, und scannen Sie darin.",
  "No camera at hand?": "Keine Kamera zur Hand?",
  "Open this link on the device, or here. The digits still go into this page. Give the link to nobody else.":
    "Öffnen Sie diesen Link auf dem Gerät oder hier. Die Ziffern kommen trotzdem auf diese Seite. Geben Sie den Link niemandem sonst.",
  "Open it on this device": "Auf diesem Gerät öffnen",
  "Type the digits": "Ziffern eintippen",
  "The six digits that it shows": "Die sechs Ziffern, die es zeigt",
  "They show that this is your device and no other.": "Sie zeigen, dass dies Ihr Gerät ist und kein anderes.",
  "Type all six digits.": "Tippen Sie alle sechs Ziffern ein.",
  "Its whole name": "Sein ganzer Name",
  "A device came: {name}.": "Ein Gerät hat sich gemeldet: {name}.",
  "Register it": "Registrieren",
  "That is not my device": "Das ist nicht mein Gerät",
  "Approve it on your other device": "Geben Sie es auf Ihrem anderen Gerät frei",
  "One of your registered devices now shows a request to add “{label}”. Open it there, compare the digits, and approve it.":
    "Eines Ihrer registrierten Geräte zeigt jetzt eine Anfrage, „{label}“ hinzuzufügen. Öffnen Sie sie dort, vergleichen Sie die Ziffern, und geben Sie sie frei.",
  "This page goes on by itself.": "Diese Seite geht von selbst weiter.",
  "Registered": "Registriert",
  "“{label}” is registered.": "„{label}“ ist registriert.",
  "From now on it asks you before a sign-in in your name goes through.":
    "Von jetzt an fragt es Sie, bevor eine Anmeldung in Ihrem Namen durchgeht.",
  "To your devices": "Zu Ihren Geräten",
  "These are not the digits. One try is left.": "Das sind nicht die Ziffern. Ein Versuch bleibt.",
  "These are not the digits. {tries} tries are left.": "Das sind nicht die Ziffern. {tries} Versuche bleiben.",
  "The device was not approved.": "Das Gerät wurde nicht freigegeben.",
  "It was denied on your other device.": "Es wurde auf Ihrem anderen Gerät abgelehnt.",
  "Nothing was registered.": "Nichts wurde registriert.",
  "The digits were wrong three times.": "Die Ziffern waren dreimal falsch.",
  "No device came in time, or the code was used elsewhere.":
    "Kein Gerät kam rechtzeitig, oder der Code wurde anderswo verwendet.",
  "The digits were wrong too often, or too much time passed.":
    "Die Ziffern waren zu oft falsch, oder es verging zu viel Zeit.",
  "It was denied on your other device, or nobody answered there in time.":
    "Es wurde auf Ihrem anderen Gerät abgelehnt, oder niemand antwortete dort rechtzeitig.",
  "No device came in time.": "Kein Gerät kam rechtzeitig.",
  "The digits were not typed in time.": "Die Ziffern wurden nicht rechtzeitig eingetippt.",
  "Nobody answered on your other device in time.": "Niemand antwortete rechtzeitig auf Ihrem anderen Gerät.",
  "This code is over": "Dieser Code gilt nicht mehr",
  "Show a new code": "Neuen Code zeigen",
  "Reported as not you": "Als nicht von Ihnen gemeldet",
  "Reported as not you on your other device.": "Auf Ihrem anderen Gerät als nicht von Ihnen gemeldet.",
  "Nothing was registered. Your session here has been ended. Change your password.":
    "Nichts wurde registriert. Ihre Sitzung hier wurde beendet. Ändern Sie Ihr Passwort.",
  "To the sign-in page": "Zur Anmeldeseite",
  "Add a device": "Gerät hinzufügen",
  "No device can be added now.": "Jetzt lässt sich kein Gerät hinzufügen.",
  "The reason: {message}.": "Der Grund: {message}.",
  "The panel does not answer. Check your connection, then try again.":
    "Das Panel antwortet nicht. Prüfen Sie Ihre Verbindung, dann versuchen Sie es noch einmal.",
  "The panel’s answer was not understood. Load the page again.":
    "Die Antwort des Panels war nicht zu verstehen. Laden Sie die Seite neu.",
  "Set up your authenticator app": "Richten Sie Ihre Authenticator-App ein",
  "QR code for the app. The secret that it holds stands on this page as text.":
    "QR-Code für die App. Das Geheimnis, das er enthält, steht auf dieser Seite auch als Text.",
  "Code for the app": "Code für die App",
  "In your authenticator app, add an account and scan this code.":
    "Fügen Sie in Ihrer Authenticator-App ein Konto hinzu, und scannen Sie diesen Code.",
  "Type the six digits that the app then shows.": "Tippen Sie die sechs Ziffern ein, die die App dann zeigt.",
  "The app’s first code": "Der erste Code der App",
  "Confirm": "Bestätigen",
  "Cancel": "Abbrechen",
  "Type this secret into the app, as the time-based account “{account}”. Give it to nobody.":
    "Tippen Sie dieses Geheimnis in die App ein, als zeitbasiertes Konto „{account}“. Geben Sie es niemandem.",
  "Open in an app on this device": "In einer App auf diesem Gerät öffnen",
  "No authenticator app was set up.": "Keine Authenticator-App wurde eingerichtet.",
  "Three codes were wrong, or ten minutes went by. If the app keeps the account, remove it there.":
    "Drei Codes waren falsch, oder zehn Minuten sind vergangen. Behält die App das Konto, entfernen Sie es dort.",
  "Start again": "Neu beginnen",
  "To your devices and codes": "Zu Ihren Geräten und Codes",
  "A code, to lift the freeze": "Ein Code, um das Einfrieren aufzuheben",
  "Six digits of your authenticator app, or a recovery code. Change your password first.":
    "Sechs Ziffern Ihrer Authenticator-App oder ein Wiederherstellungscode. Ändern Sie zuerst Ihr Passwort.",
  "Type a code.": "Tippen Sie einen Code ein.",
  "This is no code.": "Das ist kein Code.",
  "Your account is not frozen any more.": "Ihr Konto ist nicht mehr eingefroren.",
  "Your devices are asked again, and you can change them here.":
    "Ihre Geräte werden wieder gefragt, und Sie können sie hier ändern.",
  "Lift the freeze": "Einfrieren aufheben",
  "by SMS": "per SMS",
  "from an authenticator app": "aus einer Authenticator-App",
  "from the recovery list": "aus der Wiederherstellungsliste",
  "Codes by SMS": "Codes per SMS",
  "Codes by mail": "Codes per E-Mail",
  "The directory has no mobile number of yours.": "Das Verzeichnis hat keine Mobilnummer von Ihnen.",
  "The directory has no mail address of yours.": "Das Verzeichnis hat keine E-Mail-Adresse von Ihnen.",
  "Sign in with your password to see where they would go.":
    "Melden Sie sich mit Ihrem Passwort an, um zu sehen, wohin sie gingen.",
  "To {to}, as the directory has it. Not yours? Tell your administrator.":
    "An {to}, wie es im Verzeichnis steht. Nicht Ihres? Sagen Sie es Ihrem Administrator.",
  "Codes typed lately": "Zuletzt eingetippte Codes",
  "Sign-ins that you approved on a device stand in that device’s own history: nobody else can read them.":
    "Anmeldungen, die Sie auf einem Gerät freigegeben haben, stehen in dessen eigenem Verlauf: Niemand sonst kann sie lesen.",
  "Your recovery codes": "Ihre Wiederherstellungscodes",
  "They are shown this once.": "Sie werden nur dieses eine Mal gezeigt.",
  "Store them now where you reach them without your device: on paper, or in a password manager. Each lets you in once. Earlier recovery codes do not count any more.":
    "Verwahren Sie sie jetzt dort, wo Sie ohne Ihr Gerät herankommen: auf Papier oder in einem Passwortmanager. Jeder lässt Sie einmal ein. Frühere Wiederherstellungscodes gelten nicht mehr.",
  "Recovery codes": "Wiederherstellungscodes",
  "I have stored them": "Ich habe sie verwahrt",
  "Print": "Drucken",
  "No codes can be set up or removed while your account is frozen.":
    "Solange Ihr Konto eingefroren ist, lassen sich keine Codes einrichten oder entfernen.",
  "Register a device first. Then set up codes here, for when you cannot reach it.":
    "Registrieren Sie zuerst ein Gerät. Richten Sie dann hier Codes ein, für den Fall, dass Sie es nicht erreichen.",
  "Codes": "Codes",
  "For a sign-in without your device: no network on it, an empty battery, or it is lost.":
    "Für eine Anmeldung ohne Ihr Gerät: wenn es kein Netz hat, der Akku leer ist oder es verloren ging.",
  "Authenticator app": "Authenticator-App",
  "Set up": "Einrichten",
  "Set up an authenticator app": "Authenticator-App einrichten",
  "None. An app on your phone shows six digits that change every 30 seconds.":
    "Keine. Eine App auf Ihrem Telefon zeigt sechs Ziffern, die alle 30 Sekunden wechseln.",
  "Remove": "Entfernen",
  "Remove your authenticator app?": "Ihre Authenticator-App entfernen?",
  "Its digits will let you in no more.": "Ihre Ziffern werden Sie nicht mehr einlassen.",
  "Remove the authenticator app": "Authenticator-App entfernen",
  "Set up {since}": "Eingerichtet am {since}",
  "Make recovery codes": "Wiederherstellungscodes erstellen",
  "None. A list of {all} codes on paper; each lets you in once.":
    "Keine. Eine Liste von {all} Codes auf Papier; jeder lässt Sie einmal ein.",
  "Make new recovery codes": "Neue Wiederherstellungscodes erstellen",
  "Make new recovery codes?": "Neue Wiederherstellungscodes erstellen?",
  "Those that you have will let you in no more.": "Die Sie haben, werden Sie nicht mehr einlassen.",
  "Make new ones": "Neue erstellen",
  "Remove your recovery codes?": "Ihre Wiederherstellungscodes entfernen?",
  "They will let you in no more.": "Sie werden Sie nicht mehr einlassen.",
  "Remove the recovery codes": "Wiederherstellungscodes entfernen",
  "Keep": "Behalten",
  "Your codes are as they were.": "Ihre Codes sind, wie sie waren.",
  "Approve it on your device": "Geben Sie es auf Ihrem Gerät frei",
  "Your devices now show a request: “{wish}”. Open it on one of them and approve it.":
    "Ihre Geräte zeigen jetzt eine Anfrage: „{wish}“. Öffnen Sie sie auf einem davon, und geben Sie sie frei.",
  "Your authenticator app is set up.": "Ihre Authenticator-App ist eingerichtet.",
  "Its next code lets you in where a code is asked for.":
    "Ihr nächster Code lässt Sie ein, wo ein Code verlangt wird.",
  "Your recovery codes are made.": "Ihre Wiederherstellungscodes sind erstellt.",
  "Each lets you in once.": "Jeder lässt Sie einmal ein.",
  "Your authenticator app is removed.": "Ihre Authenticator-App ist entfernt.",
  "Your recovery codes are removed.": "Ihre Wiederherstellungscodes sind entfernt.",
  "Not approved": "Nicht freigegeben",
  "It was denied on your device, or nobody answered there in time.":
    "Es wurde auf Ihrem Gerät abgelehnt, oder niemand antwortete dort rechtzeitig.",
  "Ask again": "Noch einmal fragen",
  "Overview of everybody": "Überblick über alle",
  "Registered devices": "Registrierte Geräte",
  "Your devices": "Ihre Geräte",
  "You have no device yet.": "Sie haben noch kein Gerät.",
  "You have no device yet": "Sie haben noch kein Gerät",
  "Register your phone, and it will ask you before anybody signs in to a server in your name.":
    "Registrieren Sie Ihr Telefon, und es fragt Sie, bevor sich jemand in Ihrem Namen an einem Server anmeldet.",
  "Register your first device": "Ihr erstes Gerät registrieren",
  "A further device must be approved on one that you have.":
    "Ein weiteres Gerät muss auf einem freigegeben werden, das Sie haben.",
  "You have as many devices as one may have.": "Sie haben so viele Geräte, wie man haben darf.",
  "Remove one before you add another.": "Entfernen Sie eines, bevor Sie ein anderes hinzufügen.",
  "Nothing can be changed here for ten minutes. Change your password first: somebody else may know it.":
    "Zehn Minuten lang lässt sich hier nichts ändern. Ändern Sie zuerst Ihr Passwort: Vielleicht kennt es jemand anderes.",
  "One of your devices reported that it was not you.": "Eines Ihrer Geräte hat gemeldet, dass Sie es nicht waren.",
  "Here, first devices are registered in the terminal of a server. Ask an administrator to type this there, as root, while you are beside them with your phone:":
    "Erste Geräte werden hier im Terminal eines Servers registriert. Bitten Sie einen Administrator, dort als root dies einzutippen, während Sie mit Ihrem Telefon daneben stehen:",
  "A first device needs a one-time link. Ask your administrator to make you one: they type this on a server, as root, and send you what it prints.":
    "Ein erstes Gerät braucht einen Einmal-Link. Bitten Sie Ihren Administrator um einen: Er tippt dies auf einem Server als root ein und sendet Ihnen, was ausgegeben wird.",
  "Adding a device": "Ein Gerät hinzufügen",
  "Rename": "Umbenennen",
  "Rename {shown}": "{shown} umbenennen",
  "Remove {shown}": "{shown} entfernen",
  "Registered {since}": "Registriert am {since}",
  "Renews before": "Zu erneuern bis",
  "Fingerprint": "Fingerabdruck",
  "Details": "Einzelheiten",
  "Name of the device": "Name des Geräts",
  "A name has 1 to 60 characters.": "Ein Name hat 1 bis 60 Zeichen.",
  "The device is now called “{shown}”.": "Das Gerät heißt jetzt „{shown}“.",
  "Save": "Speichern",
  "Keep it": "Behalten",
  "It is not removed.": "Es ist nicht entfernt.",
  "“{shown}” is removed.": "„{shown}“ ist entfernt.",
  "It can approve nothing any more.": "Es kann nichts mehr freigeben.",
  "Remove “{shown}”?": "„{shown}“ entfernen?",
  "It will approve no sign-in of yours any more.": "Es wird keine Anmeldung von Ihnen mehr freigeben.",
  "It is your only device.": "Es ist Ihr einziges Gerät.",
  "It must approve its own removal. Then you need an administrator’s help to register another one.":
    "Es muss seine eigene Entfernung freigeben. Danach brauchen Sie die Hilfe eines Administrators, um ein anderes zu registrieren.",
  "Approve it on “{shown}”": "Geben Sie es auf „{shown}“ frei",
    "Close": "Schließen",
  "“{shown}” is still registered.": "„{shown}“ ist noch registriert.",
    "You are signed in as {name} by a one-time link.": "Sie sind als {name} über einen Einmal-Link angemeldet.",
  "If that is not your name, sign out and tell your administrator.":
    "Wenn das nicht Ihr Name ist, melden Sie sich ab und sagen Sie es Ihrem Administrator.",
  "Copied": "Kopiert",
  "Marked: copy it": "Markiert: jetzt kopieren",
  "Sign in another way": "Anders anmelden",
  "Sign in once": "Einmal anmelden",
  "This link does not work.": "Dieser Link funktioniert nicht.",
  "You are not signed in.": "Sie sind nicht angemeldet.",
  "Your administrator gave you this link so that you can register a device. It works once.":
    "Ihr Administrator hat Ihnen diesen Link gegeben, damit Sie ein Gerät registrieren können. Er funktioniert einmal.",
  "You are then signed in for 15 minutes. Check that the name at the top of the page is yours.":
    "Danach sind Sie 15 Minuten angemeldet. Prüfen Sie, dass der Name oben auf der Seite Ihrer ist.",
  "The link is not whole.": "Der Link ist nicht vollständig.",
  "A part of it is missing, or the page was loaded again. Copy the whole link again, as your administrator sent it.":
    "Ein Teil davon fehlt, oder die Seite wurde neu geladen. Kopieren Sie noch einmal den ganzen Link, wie Ihr Administrator ihn gesendet hat.",
  "Bypass": "Ausnahme (Bypass)",
  "Block": "Sperre",
  "Lock": "Zeitweilige Sperre",
  "Overview": "Überblick",
  "Everybody’s devices, frozen accounts, and the bypasses, blocks and locks on all servers.":
    "Die Geräte aller Benutzer, eingefrorene Konten und die Ausnahmen und Sperren auf allen Servern.",
  "You open it with an approval on your own device. It closes after ten minutes, and nothing can be changed here.":
    "Sie öffnen ihn mit einer Freigabe auf Ihrem eigenen Gerät. Er schließt nach zehn Minuten, und hier lässt sich nichts ändern.",
  "Open the overview": "Überblick öffnen",
  "The overview stays closed.": "Der Überblick bleibt geschlossen.",
  "Find a user": "Benutzer suchen",
  "The overview has closed.": "Der Überblick ist geschlossen.",
  "Open it again to read on.": "Öffnen Sie ihn wieder, um weiterzulesen.",
  "Find": "Suchen",
  "And {count} more, which the servers themselves list: assentctl user exceptions.":
    "Und {count} weitere, die die Server selbst auflisten: assentctl user exceptions.",
  "In force now": "Jetzt in Kraft",
  "No bypass, block, lock or freeze.": "Keine Ausnahme, keine Sperre, nichts eingefroren.",
  "These servers have told nothing lately; what holds there is not known here.":
    "Diese Server haben zuletzt nichts gemeldet; was dort gilt, ist hier nicht bekannt.",
  "1 user with a device": "1 Benutzer mit einem Gerät",
  "{count} users with devices": "{count} Benutzer mit Geräten",
  "Nobody by that name has a device.": "Niemand dieses Namens hat ein Gerät.",
  "Back": "Zurück",
  "Page {at} of {last}": "Seite {at} von {last}",
  "Next": "Weiter",
  "until it is lifted": "bis sie aufgehoben wird",
  "until {until}": "bis {until}",
  "By {by}: {reason}": "Von {by}: {reason}",
  "for requests from {source}": "für Anfragen von {source}",
  "Freeze: {identity}": "Eingefroren: {identity}",
  "A device said “not me”; {from}, until {until}": "Ein Gerät sagte „ich war es nicht“; {from}, bis {until}",
  "{label}, registered {since}": "{label}, registriert am {since}",
  "This page is for administrators.": "Diese Seite ist für Administratoren.",
  "Whoever runs this gateway names them in its configuration.":
    "Wer dieses Gateway betreibt, nennt sie in dessen Konfiguration.",
  "Sign out": "Abmelden",
  "Load the page again": "Seite neu laden",
  "That did not work.": "Das hat nicht geklappt.",
  "User name": "Benutzername",
  "Password": "Passwort",
  "Sign in": "Anmelden",
  "Type your user name.": "Tippen Sie Ihren Benutzernamen ein.",
  "Type your password.": "Tippen Sie Ihr Passwort ein.",
  "Signing in…": "Wird angemeldet…",
  "See, name and remove the devices that approve your sign-ins to servers, and register new ones.":
    "Sehen, benennen und entfernen Sie die Geräte, die Ihre Anmeldungen an Servern freigeben, und registrieren Sie neue.",
  "You need a one-time link": "Sie brauchen einen Einmal-Link",
  "There is no sign-in by password here. Ask your administrator for a link and open it in this browser.":
    "Hier gibt es keine Anmeldung mit Passwort. Bitten Sie Ihren Administrator um einen Link, und öffnen Sie ihn in diesem Browser.",
  "What your administrator types on a server, with your user name:":
    "Was Ihr Administrator auf einem Server mit Ihrem Benutzernamen eintippt:",
  "You were signed out.": "Sie wurden abgemeldet.",
  "That happens after a while without use, or when the panel restarts.":
    "Das geschieht nach einer Weile ohne Nutzung oder wenn das Panel neu startet.",
  "The code works once, for {time} more.": "Der Code gilt einmal, noch {time}.",
  "Waiting for your approval, {time} left": "Warten auf Ihre Freigabe, noch {time}",
  "It waits for the first code, for {time} more.": "Es wird auf den ersten Code gewartet, noch {time}.",
  "Waiting, {time} left": "Warten, noch {time}",
  "{left} of {all} left": "{left} von {all} übrig",
  "{left} of {all} left. Make new ones before you need them.":
    "{left} von {all} übrig. Erstellen Sie neue, bevor Sie sie brauchen.",
  "by mail": "per E-Mail",
  "Code {way}": "Code {way}",
  "Wrong code, as {way}": "Falscher Code, wie {way}",
  "at this panel": "an diesem Panel",
  "on {host} ({service}), on the host itself": "auf {host} ({service}), am Host selbst",
  "on {host} ({service}), from {src}": "auf {host} ({service}), von {src}",
  "Register it in a terminal": "Registrieren Sie es in einem Terminal",
  "Register it with a one-time link": "Registrieren Sie es mit einem Einmal-Link",
  "for every request": "für jede Anfrage",
  "Copy link": "Link kopieren",
  "Copy secret": "Geheimnis kopieren",
  "Copy codes": "Codes kopieren",
  "Copy command": "Befehl kopieren",
  "Language": "Sprache",
  "As the browser has it": "Wie im Browser",
  "Skip to the page’s content": "Zum Inhalt der Seite",
  "Sign in by link": "Anmelden per Link",
  "The Register Panel needs JavaScript. Switch it on for this page.":
    "Das Register Panel braucht JavaScript. Schalten Sie es für diese Seite ein.",
  "You are not signed in any more. Sign in again.": "Sie sind nicht mehr angemeldet. Melden Sie sich neu an.",
  "This page is from an earlier sign-in. Load it again, then repeat what you did.":
    "Diese Seite stammt von einer früheren Anmeldung. Laden Sie sie neu, dann wiederholen Sie, was Sie getan haben.",
  "That did not work. Check your user name and your password and try again. If you are sure of both, your account may be locked or expired: ask your administrator.":
    "Das hat nicht geklappt. Prüfen Sie Benutzername und Passwort, und versuchen Sie es noch einmal. Sind Sie sich beider sicher, ist Ihr Konto vielleicht gesperrt oder abgelaufen: Fragen Sie Ihren Administrator.",
  "There is no sign-in by password here. Ask your administrator for a one-time link.":
    "Hier gibt es keine Anmeldung mit Passwort. Bitten Sie Ihren Administrator um einen Einmal-Link.",
  "Your password cannot be checked at the moment: the directory does not answer. Try again in a few minutes.":
    "Ihr Passwort lässt sich gerade nicht prüfen: Das Verzeichnis antwortet nicht. Versuchen Sie es in ein paar Minuten wieder.",
  "This link does not work (any more): it was used, it is too old, or a part of it is missing. Ask your administrator for a new one.":
    "Dieser Link funktioniert nicht (mehr): Er wurde verwendet, ist zu alt, oder ein Teil fehlt. Bitten Sie Ihren Administrator um einen neuen.",
  "Type the six digits that your new device shows.": "Tippen Sie die sechs Ziffern ein, die Ihr neues Gerät zeigt.",
  "Too much at once. Wait a moment, then try again.":
    "Zu viel auf einmal. Warten Sie einen Moment, dann versuchen Sie es noch einmal.",
  "The registrar does not answer at the moment. Try again in a few minutes.":
    "Der Registrar antwortet gerade nicht. Versuchen Sie es in ein paar Minuten wieder.",
  "The panel failed. Try again; if that does not help, tell your administrator.":
    "Das Panel ist gescheitert. Versuchen Sie es noch einmal; hilft das nicht, sagen Sie es Ihrem Administrator.",
  "last opened {day}": "zuletzt geöffnet {day}",
  "It is lost": "Es ist verloren",
  "“{shown}” is lost": "„{shown}“ ist verloren",
  "It is your only device. A code removes it; then you need an administrator’s help to register another one.": "Es ist Ihr einziges Gerät. Ein Code entfernt es; um ein anderes zu registrieren, brauchen Sie dann die Hilfe eines Administrators.",
  "No device at hand? A code removes it, too": "Kein Gerät zur Hand? Auch ein Code entfernt es",
  "Six digits of your authenticator app, or a recovery code.": "Sechs Ziffern Ihrer Authenticator-App oder ein Wiederherstellungscode.",
  "Remove with the code": "Mit dem Code entfernen",
  "Another device of yours approves that.": "Ein anderes Ihrer Geräte gibt das frei.",
  "Approve it on another device": "Geben Sie es auf einem anderen Gerät frei",
  "A request to remove it is shown there. Approve it, and this page goes on by itself.": "Dort steht eine Anfrage, es zu entfernen. Geben Sie sie frei, dann geht diese Seite von selbst weiter.",
  "Its removal was refused, or not approved in time. If you have no other device at hand, ask your administrator to revoke it.": "Das Entfernen wurde abgelehnt oder nicht rechtzeitig freigegeben. Haben Sie kein anderes Gerät zur Hand, bitten Sie Ihren Administrator, es zu sperren.",
});

/** @typedef {typeof texts} Texts */

export default texts;
