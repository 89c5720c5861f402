// Asks MySQL or MariaDB by mysql2: statements as text and prepared, one that cannot be prepared, another user.
// Usage: mysql-asks.mjs HOST USER PASSWORD [change]
import { createConnection } from 'mysql2/promise';

const [host, user, password, change] = process.argv.slice(2);
const connection = await createConnection({ host, user, password, database: 'load' });
await connection.query('select 1');
await connection.execute('select ? + 1', [41]);
await connection.execute('select who from visits where id = ?', [7]);
await connection.execute('select ? + 1', [42]);
await connection.execute('select who from nowhere where id = ?', [7]).catch(() => undefined);
await connection.execute('insert into visits (who) values (?)', ['me']);
connection.unprepare('select ? + 1');
if (change !== undefined) await connection.changeUser({ user, password, database: 'load' });
await connection.query('select 2');
await connection.end();
