using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Writes the inbox and outbox rows of a whole group in one round trip on PostgreSQL: one statement for each table whatever the number of
/// rows, with an array for each column, so that the statements stay the same and are prepared once. Row by row, through the change tracker,
/// they were a third of what a saga allocated.
/// </summary>
internal sealed class PostgreSqlStatements
{
    private readonly string _insertInbox;
    private readonly string _insertMessages;
    private readonly string _deleteMessages;
    private readonly string _deleteOutboxes;
    private readonly string _markInboxes;
    private readonly string _markOutboxes;

    private PostgreSqlStatements(DbContext database)
    {
        var (inbox, message, outbox) = (new Table(database, typeof(InboxState)), new Table(database, typeof(OutboxMessage)), new Table(database, typeof(OutboxState)));
        _insertInbox = inbox.Insert([nameof(InboxState.MessageId), nameof(InboxState.ConsumerId), nameof(InboxState.LockId), nameof(InboxState.Received),
            nameof(InboxState.ReceiveCount), nameof(InboxState.ExpirationTime), nameof(InboxState.Consumed), nameof(InboxState.Delivered)], nameof(InboxState.Id));
        _insertMessages = message.Insert([nameof(OutboxMessage.EnqueueTime), nameof(OutboxMessage.SentTime), nameof(OutboxMessage.Headers), nameof(OutboxMessage.Properties),
            nameof(OutboxMessage.InboxMessageId), nameof(OutboxMessage.InboxConsumerId), nameof(OutboxMessage.MessageId), nameof(OutboxMessage.ContentType),
            nameof(OutboxMessage.MessageType), nameof(OutboxMessage.Body), nameof(OutboxMessage.ConversationId), nameof(OutboxMessage.CorrelationId),
            nameof(OutboxMessage.InitiatorId), nameof(OutboxMessage.RequestId), nameof(OutboxMessage.SourceAddress), nameof(OutboxMessage.DestinationAddress),
            nameof(OutboxMessage.ResponseAddress), nameof(OutboxMessage.FaultAddress), nameof(OutboxMessage.ExpirationTime)], nameof(OutboxMessage.SequenceNumber));
        _deleteMessages = $"DELETE FROM {message.Name} WHERE {message.Column(nameof(OutboxMessage.SequenceNumber))} = ANY($1)";
        _deleteOutboxes = $"DELETE FROM {outbox.Name} WHERE {outbox.Column(nameof(OutboxState.OutboxId))} = ANY($1)";
        _markInboxes = $"UPDATE {inbox.Name} SET {inbox.Column(nameof(InboxState.Delivered))} = $2 WHERE {inbox.Column(nameof(InboxState.Id))} = ANY($1)";
        _markOutboxes = $"UPDATE {outbox.Name} SET {outbox.Column(nameof(OutboxState.Delivered))} = $2 WHERE {outbox.Column(nameof(OutboxState.OutboxId))} = ANY($1)";
    }

    /// <summary>The statements of a context on PostgreSQL; null on other servers.</summary>
    public static PostgreSqlStatements? Of(DbContext database) =>
        database.Database.ProviderName == "Npgsql.EntityFrameworkCore.PostgreSQL" ? new PostgreSqlStatements(database) : null;

    /// <summary>Writes in the context's current transaction, and gives the rows the keys they got; in one round trip, which may end with the commit.</summary>
    public async Task WriteAsync(
        DbContext database, IReadOnlyList<InboxState> inbox, IReadOnlyList<OutboxMessage> messages, IReadOnlyList<Delivered> delivered, DateTime now, bool keep,
        bool andCommit)
    {
        await using var batch = database.Database.GetDbConnection().CreateBatch();
        batch.Transaction = database.Database.CurrentTransaction!.GetDbTransaction();

        var sent = keep ? [] : delivered.SelectMany(one => one.Messages).Select(message => message.SequenceNumber).Order().ToArray();
        var inboxes = delivered.Where(one => one.InboxId is not null).Select(one => one.InboxId!.Value).Order().ToArray();
        var outboxes = delivered.Where(one => one.OutboxId is not null).Select(one => one.OutboxId!.Value).Order().ToArray();
        if (sent.Length > 0)
            Add(batch, _deleteMessages, sent);
        if (inboxes.Length > 0)
            Add(batch, _markInboxes, inboxes, now);
        if (outboxes.Length > 0)
        {
            if (keep)
                Add(batch, _markOutboxes, outboxes, now);
            else
                Add(batch, _deleteOutboxes, outboxes);
        }
        // The order of locks is the same in every replica.
        var consumed = inbox.OrderBy(row => row.MessageId).ThenBy(row => row.ConsumerId).ToArray();
        if (consumed.Length > 0)
        {
            Add(batch, _insertInbox, All(consumed, row => row.MessageId), All(consumed, row => row.ConsumerId), All(consumed, row => row.LockId),
                All(consumed, row => row.Received), All(consumed, row => row.ReceiveCount), All(consumed, row => Utc(row.ExpirationTime)),
                All(consumed, row => row.Consumed), All(consumed, row => row.Delivered));
        }
        if (messages.Count > 0)
        {
            Add(batch, _insertMessages, All(messages, row => row.EnqueueTime), All(messages, row => row.SentTime), All(messages, row => row.Headers),
                All(messages, row => row.Properties), All(messages, row => row.InboxMessageId), All(messages, row => row.InboxConsumerId),
                All(messages, row => row.MessageId), All(messages, row => row.ContentType), All(messages, row => row.MessageType), All(messages, row => row.Body),
                All(messages, row => row.ConversationId), All(messages, row => row.CorrelationId), All(messages, row => row.InitiatorId),
                All(messages, row => row.RequestId), All(messages, row => row.SourceAddress?.ToString()), All(messages, row => row.DestinationAddress?.ToString()),
                All(messages, row => row.ResponseAddress?.ToString()), All(messages, row => row.FaultAddress?.ToString()),
                All(messages, row => Utc(row.ExpirationTime)));
        }

        if (andCommit)
            Add(batch, "COMMIT");

        await using var reader = await batch.ExecuteReaderAsync().ConfigureAwait(false);
        foreach (var row in consumed)
        {
            await reader.ReadAsync().ConfigureAwait(false);
            row.Id = reader.GetInt64(0);
        }
        if (consumed.Length > 0 && messages.Count > 0)
            await reader.NextResultAsync().ConfigureAwait(false);
        foreach (var row in messages)
        {
            await reader.ReadAsync().ConfigureAwait(false);
            row.SequenceNumber = reader.GetInt64(0);
        }
        // An error of a later statement is only told by reading to the end.
        while (await reader.NextResultAsync().ConfigureAwait(false))
        {
        }
    }

    private static T[] All<TRow, T>(IReadOnlyList<TRow> rows, Func<TRow, T> column)
    {
        var values = new T[rows.Count];
        for (var i = 0; i < values.Length; i++)
            values[i] = column(rows[i]);
        return values;
    }

    private static DateTime? Utc(DateTime? value) => value?.Kind == DateTimeKind.Local ? value.Value.ToUniversalTime() : value is { } instant ? DateTime.SpecifyKind(instant, DateTimeKind.Utc) : null;

    private static void Add(DbBatch batch, string sql, params ReadOnlySpan<object> values)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var value in values)
        {
            var parameter = command.CreateParameter();
            parameter.Value = value;
            command.Parameters.Add(parameter);
        }
        batch.BatchCommands.Add(command);
    }

    private sealed class Table
    {
        private readonly IEntityType _type;
        private readonly ISqlGenerationHelper _sql;
        private readonly StoreObjectIdentifier _table;

        public Table(DbContext database, Type entity)
        {
            _type = database.Model.FindEntityType(entity)
                ?? throw new InvalidOperationException($"{database.GetType().Name} has no {entity.Name}; call AddTransactionalOutboxEntities in OnModelCreating.");
            _sql = database.GetService<ISqlGenerationHelper>();
            _table = StoreObjectIdentifier.Table(_type.GetTableName()!, _type.GetSchema());
            Name = _sql.DelimitIdentifier(_type.GetTableName()!, _type.GetSchema());
        }

        public string Name { get; }

        public string Column(string property) => _sql.DelimitIdentifier(_type.FindProperty(property)!.GetColumnName(_table)!);

        // A row for each element; keys are given in the order of the elements.
        public string Insert(string[] properties, string key) =>
            $"INSERT INTO {Name} ({string.Join(", ", properties.Select(Column))}) SELECT * FROM unnest({string.Join(", ", properties.Select((_, i) => $"${i + 1}"))}) RETURNING {Column(key)}";
    }
}
