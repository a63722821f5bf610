// Turkish. Formal address; the same keys as the German catalogue.

/** @import { Texts } from "./lang-de.js" */

const texts = /** @type {const} @satisfies {Record<keyof Texts, string>} */ ({
  "The panel does not answer.": "Panel yanıt vermiyor.",
  "This page tries again by itself.": "Bu sayfa kendiliğinden yeniden dener.",
  "QR code. The link that it holds stands on this page as text.":
    "QR kodu. İçerdiği bağlantı bu sayfada metin olarak da duruyor.",
  "Code for the new device": "Yeni cihaz için kod",
  "What to do": "Ne yapmalı",
  "On your phone, open the Assent app, or the camera, and scan this code.":
    "Telefonunuzda Assent uygulamasını veya kamerayı açıp bu kodu tarayın.",
  "Press “Register this device” there. The phone then shows six digits.":
    "Orada “Bu cihazı kaydet” düğmesine basın. Telefon ardından altı rakam gösterir.",
  "Type the digits here. This page goes on by itself once the phone is there.":
    "Rakamları buraya yazın. Telefon hazır olunca bu sayfa kendiliğinden ilerler.",
  "On an iPhone or iPad: open {app} first, add it to the Home Screen, open it from there, and scan inside it.":
    "iPhone veya iPad’de: önce {app} adresini açın, Ana Ekrana ekleyin, oradan açın ve uygulamanın içinde tarayın.",
  "No camera at hand?": "Elinizde kamera yok mu?",
  "Open this link on the device, or here. The digits still go into this page. Give the link to nobody else.":
    "Bu bağlantıyı cihazda veya burada açın. Rakamlar yine bu sayfaya yazılır. Bağlantıyı başka kimseye vermeyin.",
  "Open it on this device": "Bu cihazda aç",
  "Type the digits": "Rakamları yazın",
  "The six digits that it shows": "Gösterdiği altı rakam",
  "They show that this is your device and no other.":
    "Bunlar, bunun sizin cihazınız olduğunu, başkasının olmadığını gösterir.",
  "Type all six digits.": "Altı rakamın tamamını yazın.",
  "Its whole name": "Tam adı",
  "A device came: {name}.": "Bir cihaz geldi: {name}.",
  "Register it": "Kaydet",
  "That is not my device": "Bu benim cihazım değil",
  "Approve it on your other device": "Öteki cihazınızda onaylayın",
  "One of your registered devices now shows a request to add “{label}”. Open it there, compare the digits, and approve it.":
    "Kayıtlı cihazlarınızdan biri şimdi “{label}” cihazını ekleme isteğini gösteriyor. Orada açın, rakamları karşılaştırın ve onaylayın.",
  "This page goes on by itself.": "Bu sayfa kendiliğinden ilerler.",
  "Registered": "Kaydedildi",
  "“{label}” is registered.": "“{label}” kaydedildi.",
  "From now on it asks you before a sign-in in your name goes through.":
    "Bundan böyle sizin adınıza bir oturum açma geçmeden önce size sorar.",
  "To your devices": "Cihazlarınıza",
  "These are not the digits. One try is left.": "Rakamlar bunlar değil. Bir deneme kaldı.",
  "These are not the digits. {tries} tries are left.": "Rakamlar bunlar değil. {tries} deneme kaldı.",
  "The device was not approved.": "Cihaz onaylanmadı.",
  "It was denied on your other device.": "Öteki cihazınızda reddedildi.",
  "Nothing was registered.": "Hiçbir şey kaydedilmedi.",
  "The digits were wrong three times.": "Rakamlar üç kez yanlış girildi.",
  "No device came in time, or the code was used elsewhere.":
    "Süresinde cihaz gelmedi veya kod başka yerde kullanıldı.",
  "The digits were wrong too often, or too much time passed.": "Rakamlar çok sık yanlış girildi veya çok zaman geçti.",
  "It was denied on your other device, or nobody answered there in time.":
    "Öteki cihazınızda reddedildi veya orada kimse zamanında yanıtlamadı.",
  "No device came in time.": "Süresinde cihaz gelmedi.",
  "The digits were not typed in time.": "Rakamlar süresinde yazılmadı.",
  "Nobody answered on your other device in time.": "Öteki cihazınızda kimse zamanında yanıtlamadı.",
  "This code is over": "Bu kod artık geçmez",
  "Show a new code": "Yeni bir kod göster",
  "Reported as not you": "Siz olmadığınız bildirildi",
  "Reported as not you on your other device.": "Öteki cihazınızda, siz olmadığınız bildirildi.",
  "Nothing was registered. Your session here has been ended. Change your password.":
    "Hiçbir şey kaydedilmedi. Buradaki oturumunuz kapatıldı. Parolanızı değiştirin.",
  "To the sign-in page": "Oturum açma sayfasına",
  "Add a device": "Cihaz ekle",
  "No device can be added now.": "Şu anda cihaz eklenemez.",
  "The reason: {message}.": "Nedeni: {message}.",
  "The panel does not answer. Check your connection, then try again.":
    "Panel yanıt vermiyor. Bağlantınıza bakın, sonra yeniden deneyin.",
  "The panel’s answer was not understood. Load the page again.":
    "Panelin yanıtı anlaşılmadı. Sayfayı yeniden yükleyin.",
  "Set up your authenticator app": "Kimlik doğrulama uygulamanızı kurun",
  "QR code for the app. The secret that it holds stands on this page as text.":
    "Uygulama için QR kodu. İçerdiği gizli anahtar bu sayfada metin olarak da duruyor.",
  "Code for the app": "Uygulama için kod",
  "In your authenticator app, add an account and scan this code.":
    "Kimlik doğrulama uygulamanızda bir hesap ekleyin ve bu kodu tarayın.",
  "Type the six digits that the app then shows.": "Uygulamanın ardından gösterdiği altı rakamı yazın.",
  "The app’s first code": "Uygulamanın ilk kodu",
  "Confirm": "Doğrula",
  "Cancel": "Vazgeç",
  "Type this secret into the app, as the time-based account “{account}”. Give it to nobody.":
    "Bu gizli anahtarı uygulamaya, zamana dayalı “{account}” hesabı olarak yazın. Kimseye vermeyin.",
  "Open in an app on this device": "Bu cihazdaki bir uygulamada aç",
  "No authenticator app was set up.": "Kimlik doğrulama uygulaması kurulmadı.",
  "Three codes were wrong, or ten minutes went by. If the app keeps the account, remove it there.":
    "Üç kod yanlıştı veya on dakika geçti. Uygulama hesabı saklıyorsa oradan kaldırın.",
  "Start again": "Baştan başla",
  "To your devices and codes": "Cihazlarınıza ve kodlarınıza",
  "A code, to lift the freeze": "Dondurmayı kaldırmak için bir kod",
  "Six digits of your authenticator app, or a recovery code. Change your password first.":
    "Kimlik doğrulama uygulamanızın altı rakamı veya bir kurtarma kodu. Önce parolanızı değiştirin.",
  "Type a code.": "Bir kod yazın.",
  "This is no code.": "Bu bir kod değil.",
  "Your account is not frozen any more.": "Hesabınız artık dondurulmuş değil.",
  "Your devices are asked again, and you can change them here.":
    "Cihazlarınıza yeniden soruluyor ve onları burada değiştirebilirsiniz.",
  "Lift the freeze": "Dondurmayı kaldır",
  "by SMS": "SMS ile",
  "from an authenticator app": "bir kimlik doğrulama uygulamasından",
  "from the recovery list": "kurtarma listesinden",
  "Codes by SMS": "SMS ile kodlar",
  "Codes by mail": "E-posta ile kodlar",
  "The directory has no mobile number of yours.": "Dizinde cep telefonu numaranız yok.",
  "The directory has no mail address of yours.": "Dizinde e-posta adresiniz yok.",
  "Sign in with your password to see where they would go.":
    "Nereye gideceklerini görmek için parolanızla oturum açın.",
  "To {to}, as the directory has it. Not yours? Tell your administrator.":
    "Dizinde yazdığı gibi {to} adresine. Sizin değil mi? Yöneticinize haber verin.",
  "Codes typed lately": "Son yazılan kodlar",
  "Sign-ins that you approved on a device stand in that device’s own history: nobody else can read them.":
    "Bir cihazda onayladığınız oturum açmalar o cihazın kendi geçmişinde durur: onları başka kimse okuyamaz.",
  "Your recovery codes": "Kurtarma kodlarınız",
  "They are shown this once.": "Bunlar yalnızca bu kez gösterilir.",
  "Store them now where you reach them without your device: on paper, or in a password manager. Each lets you in once. Earlier recovery codes do not count any more.":
    "Onları şimdi, cihazınız olmadan ulaşabileceğiniz bir yerde saklayın: kâğıtta veya bir parola yöneticisinde. Her biri sizi bir kez içeri alır. Önceki kurtarma kodları artık geçmez.",
  "Recovery codes": "Kurtarma kodları",
  "I have stored them": "Sakladım",
  "Print": "Yazdır",
  "No codes can be set up or removed while your account is frozen.":
    "Hesabınız dondurulmuşken kod kurulamaz ve kaldırılamaz.",
  "Register a device first. Then set up codes here, for when you cannot reach it.":
    "Önce bir cihaz kaydedin. Ardından, ona ulaşamadığınız zamanlar için burada kodlar kurun.",
  "Codes": "Kodlar",
  "For a sign-in without your device: no network on it, an empty battery, or it is lost.":
    "Cihazınız olmadan oturum açmak için: ağı yoksa, pili bittiyse veya kaybolduysa.",
  "Authenticator app": "Kimlik doğrulama uygulaması",
  "Set up": "Kur",
  "Set up an authenticator app": "Kimlik doğrulama uygulaması kur",
  "None. An app on your phone shows six digits that change every 30 seconds.":
    "Yok. Telefonunuzdaki bir uygulama, 30 saniyede bir değişen altı rakam gösterir.",
  "Remove": "Kaldır",
  "Remove your authenticator app?": "Kimlik doğrulama uygulamanız kaldırılsın mı?",
  "Its digits will let you in no more.": "Rakamları artık sizi içeri almayacak.",
  "Remove the authenticator app": "Kimlik doğrulama uygulamasını kaldır",
  "Set up {since}": "Kuruldu: {since}",
  "Make recovery codes": "Kurtarma kodları oluştur",
  "None. A list of {all} codes on paper; each lets you in once.":
    "Yok. Kâğıt üzerinde {all} kodluk bir liste; her biri sizi bir kez içeri alır.",
  "Make new recovery codes": "Yeni kurtarma kodları oluştur",
  "Make new recovery codes?": "Yeni kurtarma kodları oluşturulsun mu?",
  "Those that you have will let you in no more.": "Elinizdekiler artık sizi içeri almayacak.",
  "Make new ones": "Yenilerini oluştur",
  "Remove your recovery codes?": "Kurtarma kodlarınız kaldırılsın mı?",
  "They will let you in no more.": "Artık sizi içeri almayacaklar.",
  "Remove the recovery codes": "Kurtarma kodlarını kaldır",
  "Keep": "Sakla",
  "Your codes are as they were.": "Kodlarınız olduğu gibi duruyor.",
  "Approve it on your device": "Cihazınızda onaylayın",
  "Your devices now show a request: “{wish}”. Open it on one of them and approve it.":
    "Cihazlarınız şimdi bir istek gösteriyor: “{wish}”. Birinde açın ve onaylayın.",
  "Your authenticator app is set up.": "Kimlik doğrulama uygulamanız kuruldu.",
  "Its next code lets you in where a code is asked for.": "Kod sorulan yerde bir sonraki kodu sizi içeri alır.",
  "Your recovery codes are made.": "Kurtarma kodlarınız oluşturuldu.",
  "Each lets you in once.": "Her biri sizi bir kez içeri alır.",
  "Your authenticator app is removed.": "Kimlik doğrulama uygulamanız kaldırıldı.",
  "Your recovery codes are removed.": "Kurtarma kodlarınız kaldırıldı.",
  "Not approved": "Onaylanmadı",
  "It was denied on your device, or nobody answered there in time.":
    "Cihazınızda reddedildi veya orada kimse zamanında yanıtlamadı.",
  "Ask again": "Yeniden sor",
  "Overview of everybody": "Herkesin genel görünümü",
  "Registered devices": "Kayıtlı cihazlar",
  "Your devices": "Cihazlarınız",
  "You have no device yet.": "Henüz cihazınız yok.",
  "You have no device yet": "Henüz cihazınız yok",
  "Register your phone, and it will ask you before anybody signs in to a server in your name.":
    "Telefonunuzu kaydedin; sizin adınıza bir sunucuda oturum açılmadan önce size sorar.",
  "Register your first device": "İlk cihazınızı kaydedin",
  "A further device must be approved on one that you have.":
    "Bir başka cihazın, elinizdeki bir cihazda onaylanması gerekir.",
  "You have as many devices as one may have.": "Olabilecek en çok sayıda cihazınız var.",
  "Remove one before you add another.": "Bir başkasını eklemeden önce birini kaldırın.",
  "Nothing can be changed here for ten minutes. Change your password first: somebody else may know it.":
    "On dakika boyunca burada hiçbir şey değiştirilemez. Önce parolanızı değiştirin: başka biri biliyor olabilir.",
  "One of your devices reported that it was not you.": "Cihazlarınızdan biri, siz olmadığınızı bildirdi.",
  "Here, first devices are registered in the terminal of a server. Ask an administrator to type this there, as root, while you are beside them with your phone:":
    "Burada ilk cihazlar bir sunucunun terminalinde kaydedilir. Siz telefonunuzla yanındayken bir yöneticiden şunu orada root olarak yazmasını isteyin:",
  "A first device needs a one-time link. Ask your administrator to make you one: they type this on a server, as root, and send you what it prints.":
    "İlk cihaz için tek kullanımlık bir bağlantı gerekir. Yöneticinizden isteyin: bir sunucuda root olarak bunu yazar ve çıkanı size gönderir.",
  "Adding a device": "Cihaz ekleme",
  "Rename": "Yeniden adlandır",
  "Rename {shown}": "{shown} cihazını yeniden adlandır",
  "Remove {shown}": "{shown} cihazını kaldır",
  "Registered {since}": "Kayıt: {since}",
  "Renews before": "Son yenileme tarihi",
  "Fingerprint": "Parmak izi",
  "Details": "Ayrıntılar",
  "Name of the device": "Cihazın adı",
  "A name has 1 to 60 characters.": "Bir ad 1 ile 60 karakter arasındadır.",
  "The device is now called “{shown}”.": "Cihazın adı artık “{shown}”.",
  "Save": "Kaydet",
  "Keep it": "Kalsın",
  "It is not removed.": "Kaldırılmadı.",
  "“{shown}” is removed.": "“{shown}” kaldırıldı.",
  "It can approve nothing any more.": "Artık hiçbir şeyi onaylayamaz.",
  "Remove “{shown}”?": "“{shown}” kaldırılsın mı?",
  "It will approve no sign-in of yours any more.": "Artık hiçbir oturum açmanızı onaylamayacak.",
  "It is your only device.": "Bu tek cihazınız.",
  "It must approve its own removal. Then you need an administrator’s help to register another one.":
    "Kendi kaldırılmasını onaylaması gerekir. Sonra başkasını kaydetmek için bir yöneticinin yardımı gerekir.",
  "Approve it on “{shown}”": "“{shown}” üzerinde onaylayın",
    "Close": "Kapat",
  "“{shown}” is still registered.": "“{shown}” hâlâ kayıtlı.",
    "You are signed in as {name} by a one-time link.": "{name} olarak tek kullanımlık bir bağlantıyla oturum açtınız.",
  "If that is not your name, sign out and tell your administrator.":
    "Bu sizin adınız değilse oturumu kapatın ve yöneticinize haber verin.",
  "Copied": "Kopyalandı",
  "Marked: copy it": "Seçildi: kopyalayın",
  "Sign in another way": "Başka yolla oturum aç",
  "Sign in once": "Bir kez oturum aç",
  "This link does not work.": "Bu bağlantı çalışmıyor.",
  "You are not signed in.": "Oturum açmadınız.",
  "Your administrator gave you this link so that you can register a device. It works once.":
    "Yöneticiniz bu bağlantıyı bir cihaz kaydedebilmeniz için verdi. Bir kez çalışır.",
  "You are then signed in for 15 minutes. Check that the name at the top of the page is yours.":
    "Ardından 15 dakika oturumunuz açık kalır. Sayfanın üstündeki adın sizin adınız olduğuna bakın.",
  "The link is not whole.": "Bağlantı eksik.",
  "A part of it is missing, or the page was loaded again. Copy the whole link again, as your administrator sent it.":
    "Bir bölümü eksik veya sayfa yeniden yüklendi. Bağlantının tamamını, yöneticinizin gönderdiği gibi yeniden kopyalayın.",
  "Bypass": "Muafiyet",
  "Block": "Engel",
  "Lock": "Kilit",
  "Overview": "Genel görünüm",
  "Everybody’s devices, frozen accounts, and the bypasses, blocks and locks on all servers.":
    "Herkesin cihazları, dondurulmuş hesaplar ve bütün sunuculardaki muafiyetler, engeller ve kilitler.",
  "You open it with an approval on your own device. It closes after ten minutes, and nothing can be changed here.":
    "Kendi cihazınızda bir onayla açarsınız. On dakika sonra kapanır ve burada hiçbir şey değiştirilemez.",
  "Open the overview": "Genel görünümü aç",
  "The overview stays closed.": "Genel görünüm kapalı kalıyor.",
  "Find a user": "Kullanıcı bul",
  "The overview has closed.": "Genel görünüm kapandı.",
  "Open it again to read on.": "Okumayı sürdürmek için yeniden açın.",
  "Find": "Bul",
  "And {count} more, which the servers themselves list: assentctl user exceptions.":
    "Ve {count} tane daha; sunucular kendileri listeler: assentctl user exceptions.",
  "In force now": "Şu anda yürürlükte",
  "No bypass, block, lock or freeze.": "Muafiyet, engel, kilit veya dondurma yok.",
  "These servers have told nothing lately; what holds there is not known here.":
    "Bu sunucular son zamanda hiçbir şey bildirmedi; orada ne geçerli olduğu burada bilinmiyor.",
  "1 user with a device": "1 cihazlı kullanıcı",
  "{count} users with devices": "{count} cihazlı kullanıcı",
  "Nobody by that name has a device.": "Bu adda cihazı olan kimse yok.",
  "Back": "Geri",
  "Page {at} of {last}": "Sayfa {at} / {last}",
  "Next": "İleri",
  "until it is lifted": "kaldırılana dek",
  "until {until}": "{until} tarihine dek",
  "By {by}: {reason}": "Yapan {by}: {reason}",
  "for requests from {source}": "{source} kaynaklı istekler için",
  "Freeze: {identity}": "Dondurma: {identity}",
  "A device said “not me”; {from}, until {until}": "Bir cihaz “ben değilim” dedi; {from}, {until} tarihine dek",
  "{label}, registered {since}": "{label}, kayıt: {since}",
  "This page is for administrators.": "Bu sayfa yöneticiler içindir.",
  "Whoever runs this gateway names them in its configuration.":
    "Kimlerin yönetici olduğunu bu ağ geçidini işleten, yapılandırmasında yazar.",
  "Sign out": "Oturumu kapat",
  "Load the page again": "Sayfayı yeniden yükle",
  "That did not work.": "Olmadı.",
  "User name": "Kullanıcı adı",
  "Password": "Parola",
  "Sign in": "Oturum aç",
  "Type your user name.": "Kullanıcı adınızı yazın.",
  "Type your password.": "Parolanızı yazın.",
  "Signing in…": "Oturum açılıyor…",
  "See, name and remove the devices that approve your sign-ins to servers, and register new ones.":
    "Sunuculardaki oturum açmalarınızı onaylayan cihazları görün, adlandırın, kaldırın ve yenilerini kaydedin.",
  "You need a one-time link": "Tek kullanımlık bir bağlantı gerekiyor",
  "There is no sign-in by password here. Ask your administrator for a link and open it in this browser.":
    "Burada parolayla oturum açılmaz. Yöneticinizden bir bağlantı isteyin ve onu bu tarayıcıda açın.",
  "What your administrator types on a server, with your user name:":
    "Yöneticinizin, kullanıcı adınızla, bir sunucuda yazacağı:",
  "You were signed out.": "Oturumunuz kapatıldı.",
  "That happens after a while without use, or when the panel restarts.":
    "Bir süre kullanılmayınca veya panel yeniden başlayınca olur.",
  "The code works once, for {time} more.": "Kod bir kez çalışır; kalan süre {time}.",
  "Waiting for your approval, {time} left": "Onayınız bekleniyor, kalan süre {time}",
  "It waits for the first code, for {time} more.": "İlk kod bekleniyor; kalan süre {time}.",
  "Waiting, {time} left": "Bekleniyor, kalan süre {time}",
  "{left} of {all} left": "{all} koddan {left} kaldı",
  "{left} of {all} left. Make new ones before you need them.":
    "{all} koddan {left} kaldı. Gerekmeden yenilerini oluşturun.",
  "by mail": "e-posta ile",
  "Code {way}": "Kod, {way}",
  "Wrong code, as {way}": "Yanlış kod, {way}",
  "at this panel": "bu panelde",
  "on {host} ({service}), on the host itself": "{host} üzerinde ({service}), sunucunun kendisinden",
  "on {host} ({service}), from {src}": "{host} üzerinde ({service}), {src} adresinden",
  "Register it in a terminal": "Terminalde kaydedin",
  "Register it with a one-time link": "Tek kullanımlık bağlantıyla kaydedin",
  "for every request": "her istek için",
  "Copy link": "Bağlantıyı kopyala",
  "Copy secret": "Gizli anahtarı kopyala",
  "Copy codes": "Kodları kopyala",
  "Copy command": "Komutu kopyala",
  "Language": "Dil",
  "As the browser has it": "Tarayıcıdaki gibi",
  "Skip to the page’s content": "Sayfanın içeriğine geç",
  "Sign in by link": "Bağlantıyla oturum açma",
  "The Register Panel needs JavaScript. Switch it on for this page.":
    "Register Panel için JavaScript gerekir. Bu sayfa için açın.",
  "You are not signed in any more. Sign in again.": "Oturumunuz artık açık değil. Yeniden oturum açın.",
  "This page is from an earlier sign-in. Load it again, then repeat what you did.":
    "Bu sayfa önceki bir oturumdan. Yeniden yükleyin, sonra yaptığınızı yineleyin.",
  "That did not work. Check your user name and your password and try again. If you are sure of both, your account may be locked or expired: ask your administrator.":
    "Olmadı. Kullanıcı adınıza ve parolanıza bakıp yeniden deneyin. İkisinden de eminseniz hesabınız kilitli veya süresi dolmuş olabilir: yöneticinize sorun.",
  "There is no sign-in by password here. Ask your administrator for a one-time link.":
    "Burada parolayla oturum açılmaz. Yöneticinizden tek kullanımlık bir bağlantı isteyin.",
  "Your password cannot be checked at the moment: the directory does not answer. Try again in a few minutes.":
    "Parolanız şu anda denetlenemiyor: dizin yanıt vermiyor. Birkaç dakika sonra yeniden deneyin.",
  "This link does not work (any more): it was used, it is too old, or a part of it is missing. Ask your administrator for a new one.":
    "Bu bağlantı çalışmıyor (artık): kullanılmış, çok eski veya bir bölümü eksik. Yöneticinizden yenisini isteyin.",
  "Type the six digits that your new device shows.": "Yeni cihazınızın gösterdiği altı rakamı yazın.",
  "Too much at once. Wait a moment, then try again.": "Aynı anda çok fazla. Biraz bekleyin, sonra yeniden deneyin.",
  "The registrar does not answer at the moment. Try again in a few minutes.":
    "Kayıt hizmeti şu anda yanıt vermiyor. Birkaç dakika sonra yeniden deneyin.",
  "The panel failed. Try again; if that does not help, tell your administrator.":
    "Panel başarısız oldu. Yeniden deneyin; yardımı olmazsa yöneticinize haber verin.",
  "last opened {day}": "son açılış {day}",
  "It is lost": "Kayıp",
  "“{shown}” is lost": "“{shown}” kayıp",
  "It is your only device. A code removes it; then you need an administrator’s help to register another one.": "Tek cihazınız bu. Bir kod onu kaldırır; sonra yenisini kaydetmek için bir yöneticinin yardımı gerekir.",
  "No device at hand? A code removes it, too": "Elinizde cihaz yok mu? Bir kod da kaldırır",
  "Six digits of your authenticator app, or a recovery code.": "Doğrulayıcı uygulamanızın altı rakamı ya da bir kurtarma kodu.",
  "Remove with the code": "Kodla kaldır",
  "Another device of yours approves that.": "Bunu başka bir cihazınız onaylar.",
  "Approve it on another device": "Başka bir cihazda onaylayın",
  "A request to remove it is shown there. Approve it, and this page goes on by itself.": "Orada kaldırma isteği gösteriliyor. Onaylayın; bu sayfa kendiliğinden devam eder.",
  "Its removal was refused, or not approved in time. If you have no other device at hand, ask your administrator to revoke it.": "Kaldırılması reddedildi ya da zamanında onaylanmadı. Elinizde başka cihaz yoksa yöneticinizden iptal etmesini isteyin.",
});

export default texts;
