<?php
/** Visits by PHP's own sessions: whoever has not logged in, or sends a form that is not its own, gets 403. */
session_start();
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

function form(string $action): void
{
    $_SESSION['csrf'] = bin2hex(random_bytes(16));
    echo "<form method=post action=$action><input type=\"hidden\" name=\"_token\" value=\"{$_SESSION['csrf']}\"></form>";
}

function refuse(): never
{
    http_response_code(403);
    exit('not yours');
}

function requireOwn(): void
{
    if (!hash_equals($_SESSION['csrf'] ?? '-', $_POST['_token'] ?? '')) {
        refuse();
    }
}

switch ("{$_SERVER['REQUEST_METHOD']} $path") {
    case 'GET /login':
        form('/login');
        break;
    case 'POST /login':
        requireOwn();
        session_regenerate_id(true);
        $_SESSION['user'] = $_POST['user'];
        header('Location: /notes', true, 303);
        break;
    case 'GET /notes':
        isset($_SESSION['user']) || refuse();
        form('/notes');
        break;
    case 'POST /notes':
        isset($_SESSION['user']) || refuse();
        requireOwn();
        $_SESSION['note'] = bin2hex(random_bytes(6));
        header("Location: /notes/{$_SESSION['note']}", true, 303);
        break;
    default:
        $path === '/notes/' . ($_SESSION['note'] ?? '-') || refuse();
        echo 'a note';
}
