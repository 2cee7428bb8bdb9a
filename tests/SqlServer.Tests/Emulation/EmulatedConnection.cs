using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;

namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>A connection to the <see cref="EmulatedServer"/>.</summary>
internal sealed class EmulatedConnection(EmulatedServer server, string owner) : DbConnection
{
    [AllowNull]
    public override string ConnectionString { get; set; } = "Server=emulated";

    public override string Database => owner;

    public override string DataSource => "emulated";

    public override string ServerVersion => "15.00.2000";

    public override ConnectionState State => Inner.State;

    public EmulatedServer Server => server;

    public SqliteConnection Inner { get; } = new(server.AddressOf(owner));

    public override void Open() => Inner.Open();

    public override void Close() => Inner.Close();

    public override void ChangeDatabase(string databaseName) => throw new NotSupportedException();

    protected override DbTransaction BeginDbTransaction(IsolationLevel isolationLevel) =>
        new EmulatedTransaction(this, Inner.BeginTransaction());

    protected override DbCommand CreateDbCommand() => new EmulatedCommand(this);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Inner.Dispose();
        base.Dispose(disposing);
    }
}

internal sealed class EmulatedTransaction(EmulatedConnection connection, SqliteTransaction inner) : DbTransaction
{
    public override IsolationLevel IsolationLevel => IsolationLevel.ReadCommitted;

    public SqliteTransaction Inner => inner;

    protected override DbConnection DbConnection => connection;

    public override void Commit() => inner.Commit();

    public override void Rollback() => inner.Rollback();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>A command with the parameters of SQL Server's client, so the product builds them as for the real server.</summary>
internal sealed class EmulatedCommand(EmulatedConnection connection) : DbCommand
{
    private const int MaxParameters = 2_100;

    private readonly SqlCommand _shape = new();

    [AllowNull]
    public override string CommandText { get; set; } = "";

    public override int CommandTimeout { get; set; } = 30;

    public override CommandType CommandType { get; set; } = CommandType.Text;

    public override bool DesignTimeVisible { get; set; }

    public override UpdateRowSource UpdatedRowSource { get; set; }

    protected override DbConnection? DbConnection { get; set; } = connection;

    protected override DbParameterCollection DbParameterCollection => _shape.Parameters;

    protected override DbTransaction? DbTransaction { get; set; }

    public override void Cancel()
    {
    }

    public override void Prepare()
    {
    }

    public override int ExecuteNonQuery()
    {
        using var command = Translate();
        return command.ExecuteNonQuery();
    }

    public override object? ExecuteScalar()
    {
        using var command = Translate();
        return command.ExecuteScalar();
    }

    protected override DbParameter CreateDbParameter() => new SqlParameter();

    protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior) => Translate().ExecuteReader(behavior);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _shape.Dispose();
        base.Dispose(disposing);
    }

    private SqliteCommand Translate()
    {
        var parameters = _shape.Parameters.Cast<SqlParameter>().ToList();
        if (parameters.Count > MaxParameters)
            throw new InvalidOperationException($"SQL Server takes {MaxParameters} parameters, not {parameters.Count}:\n{CommandText}");
        connection.Server.Record(new Statement(connection.Database, CommandText, parameters));
        foreach (var (part, sqlite) in connection.Server.Before)
        {
            if (CommandText.Contains(part, StringComparison.Ordinal) && connection.Server.Before.TryRemove(part, out _))
            {
                using var before = Command(sqlite);
                before.ExecuteNonQuery();
            }
        }
        var command = Command(SqliteTranslation.Of(CommandText, table => NextKey(table)));
        foreach (var parameter in parameters)
            command.Parameters.AddWithValue(parameter.ParameterName, parameter.Value ?? DBNull.Value);
        return command;
    }

    private long NextKey(string table)
    {
        using var command = Command($"SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = '{table.Trim('[', ']')}'), 0) + 1");
        return (long)command.ExecuteScalar()!;
    }

    private SqliteCommand Command(string sqlite)
    {
        var command = connection.Inner.CreateCommand();
#pragma warning disable CA2100 // Statements of the product.
        command.CommandText = sqlite;
#pragma warning restore CA2100
        command.Transaction = ((EmulatedTransaction?)DbTransaction)?.Inner;
        return command;
    }
}
