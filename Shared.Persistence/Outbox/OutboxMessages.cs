using System.Net.Mime;
using System.Text.Json;
using MassTransit.Context;
using MassTransit.Serialization;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>How a message becomes an outbox row, and an outbox row a message again.</summary>
internal static class OutboxMessages
{
    /// <summary>The row of a message that is about to be sent; serialised once, here.</summary>
    public static OutboxMessage Capture<T>(SendContext<T> context, DateTime now)
        where T : class
    {
        var row = new OutboxMessage
        {
            MessageId = context.MessageId ?? throw new MessageException(typeof(T), "The outbox needs a message id."),
            ConversationId = context.ConversationId,
            CorrelationId = context.CorrelationId,
            InitiatorId = context.InitiatorId,
            RequestId = context.RequestId,
            SourceAddress = context.SourceAddress,
            DestinationAddress = context.DestinationAddress,
            ResponseAddress = context.ResponseAddress,
            FaultAddress = context.FaultAddress,
            SentTime = context.SentTime ?? now,
            ContentType = context.ContentType?.ToString() ?? context.Serialization.DefaultContentType.ToString(),
            MessageType = string.Join(';', context.SupportedMessageTypes),
            Body = context.Serializer.GetMessageBody(context).GetString(),
            EnqueueTime = context.Delay is { } delay ? now + delay : null,
            ExpirationTime = context.TimeToLive is { } timeToLive ? now + timeToLive : null,
            Headers = Write(context.Headers.GetAll())
        };
        if (context is TransportSendContext transport)
        {
            var properties = new Dictionary<string, object>(StringComparer.OrdinalIgnoreCase);
            transport.WritePropertiesTo(properties);
            row.Properties = Write(properties);
        }
        return row;
    }

    /// <summary>Sends rows in their order, waiting for each to be confirmed; the bodies go out as they were stored.</summary>
    public static async Task SendAsync(
        IReadOnlyList<OutboxMessage> rows, ISendEndpointProvider endpoints, DateTime now, CancellationToken cancellationToken)
    {
        foreach (var row in rows)
        {
            if (row.ExpirationTime <= now || row.DestinationAddress is null)
                continue;
            var endpoint = await endpoints.GetSendEndpoint(row.DestinationAddress).ConfigureAwait(false);
            await endpoint.Send(new SerializedMessageBody(), new StoredMessagePipe(row, now), cancellationToken).ConfigureAwait(false);
        }
    }

    private static string? Write(IEnumerable<KeyValuePair<string, object>> values)
    {
        var dictionary = new Dictionary<string, object>(values, StringComparer.OrdinalIgnoreCase);
        return dictionary.Count == 0 ? null : JsonSerializer.Serialize(dictionary, SystemTextJsonMessageSerializer.Options);
    }

    private sealed class StoredMessagePipe(OutboxMessage row, DateTime now) : IPipe<SendContext>
    {
        public Task Send(SendContext context)
        {
            var contentType = new ContentType(row.ContentType);
            context.MessageId = row.MessageId;
            context.RequestId = row.RequestId;
            context.ConversationId = row.ConversationId;
            context.CorrelationId = row.CorrelationId;
            context.InitiatorId = row.InitiatorId;
            context.SourceAddress = row.SourceAddress;
            context.ResponseAddress = row.ResponseAddress;
            context.FaultAddress = row.FaultAddress;
            context.SupportedMessageTypes = row.MessageType.Split(';');
            if (row.ExpirationTime is { } expires)
                context.TimeToLive = expires - now;
            if (row.EnqueueTime > now)
                context.Delay = row.EnqueueTime - now;
            foreach (var (key, value) in ((MessageContext)row).Headers.GetAll())
                context.Headers.Set(key, value, true);
            if (context is TransportSendContext transport && ((Middleware.OutboxMessageContext)row).Properties is { Count: > 0 } properties)
                transport.ReadPropertiesFrom(properties);
            context.ContentType = contentType;
            context.Serializer = new CopyBodySerializer(contentType, new StringMessageBody(row.Body));
            return Task.CompletedTask;
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("outbox");
    }
}

/// <summary>What the providers do not say alike.</summary>
internal static class InboxStatements
{
    private static readonly System.Collections.Concurrent.ConcurrentDictionary<(Type, string), string> Inserts = new();

    /// <summary>
    /// Inserts the inbox row of a message in the current transaction. A duplicate that is being consumed elsewhere makes this wait for it.
    /// </summary>
    /// <returns>The new row's key, or null where the message has been consumed.</returns>
    public static async Task<long?> InsertAsync(
        DbContext context, Guid messageId, Guid consumerId, Guid lockId, DateTime now, DateTime? expires, CancellationToken cancellationToken)
    {
        var sql = Inserts.GetOrAdd((context.GetType(), context.Database.ProviderName!), static (key, context) => BuildInsert(context), context);
        var transaction = context.Database.CurrentTransaction!.GetDbTransaction();
        await using var command = context.Database.GetDbConnection().CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        var inbox = context.Model.FindEntityType(typeof(InboxState))!;
        Add(nameof(InboxState.MessageId), messageId);
        Add(nameof(InboxState.ConsumerId), consumerId);
        Add(nameof(InboxState.LockId), lockId);
        Add(nameof(InboxState.Received), now);
        Add(nameof(InboxState.Consumed), now);
        Add(nameof(InboxState.ExpirationTime), expires);
        return await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false) is long id ? id : null;

        void Add(string property, object? value)
        {
            // The column's own mapping knows how the provider stores a guid or an instant.
            var mapping = inbox.FindProperty(property)!.GetRelationalTypeMapping();
            command.Parameters.Add(mapping.CreateParameter(command, "@" + property, value, nullable: true));
        }
    }

    private static string BuildInsert(DbContext context)
    {
        var inbox = context.Model.FindEntityType(typeof(InboxState))
            ?? throw new InvalidOperationException($"{context.GetType().Name} has no InboxState; call AddInboxStateEntity in OnModelCreating.");
        var sql = context.GetService<ISqlGenerationHelper>();
        var table = sql.DelimitIdentifier(inbox.GetTableName()!, inbox.GetSchema());
        var store = StoreObjectIdentifier.Table(inbox.GetTableName()!, inbox.GetSchema());
        string Column(string property) => sql.DelimitIdentifier(inbox.FindProperty(property)!.GetColumnName(store)!);

        string[] given = [nameof(InboxState.MessageId), nameof(InboxState.ConsumerId), nameof(InboxState.LockId), nameof(InboxState.Received),
            nameof(InboxState.Consumed), nameof(InboxState.ExpirationTime)];
        var columns = string.Join(", ", given.Append(nameof(InboxState.ReceiveCount)).Select(Column));
        var values = string.Join(", ", given.Select(property => "@" + property).Append("1"));
        var id = Column(nameof(InboxState.Id));

        return context.Database.ProviderName!.EndsWith("SqlServer", StringComparison.Ordinal)
            ? $"""
               INSERT INTO {table} ({columns}) OUTPUT inserted.{id}
               SELECT {values} WHERE NOT EXISTS (
                 SELECT 1 FROM {table} WITH (UPDLOCK, HOLDLOCK)
                 WHERE {Column(nameof(InboxState.MessageId))} = @MessageId AND {Column(nameof(InboxState.ConsumerId))} = @ConsumerId);
               """
            : $"INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING {id};";
    }
}
