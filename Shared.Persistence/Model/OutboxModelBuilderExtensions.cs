using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace MassTransit;

/// <summary>Adds the outbox's tables to a model.</summary>
public static class OutboxModelBuilderExtensions
{
    // SQL Server and SQLite return instants without a kind; all instants in these tables are UTC.
    private static readonly ValueConverter<DateTime, DateTime> Utc = new(
        value => value.Kind == DateTimeKind.Local ? value.ToUniversalTime() : value,
        value => DateTime.SpecifyKind(value, DateTimeKind.Utc));

    /// <summary>Adds all three tables.</summary>
    public static void AddTransactionalOutboxEntities(this ModelBuilder modelBuilder, Action<EntityTypeBuilder>? callback = null)
    {
        modelBuilder.AddInboxStateEntity(callback);
        modelBuilder.AddOutboxStateEntity(callback);
        modelBuilder.AddOutboxMessageEntity(callback);
    }

    /// <summary>Adds <c>InboxState</c>.</summary>
    public static void AddInboxStateEntity(this ModelBuilder modelBuilder, Action<EntityTypeBuilder<InboxState>>? callback = null)
    {
        var inbox = modelBuilder.Entity<InboxState>();
        inbox.ToTable("InboxState");
        inbox.HasKey(p => p.Id);
        inbox.Ignore(p => p.RowVersion);
        inbox.HasIndex(p => new { p.MessageId, p.ConsumerId }).IsUnique();
        inbox.Property(p => p.Received).HasConversion(Utc);
        inbox.Property(p => p.Consumed).HasConversion(Utc);
        inbox.Property(p => p.Delivered).HasConversion(Utc);
        inbox.Property(p => p.ExpirationTime).HasConversion(Utc);
        callback?.Invoke(inbox);
    }

    /// <summary>Adds <c>OutboxState</c>.</summary>
    public static void AddOutboxStateEntity(this ModelBuilder modelBuilder, Action<EntityTypeBuilder<OutboxState>>? callback = null)
    {
        var outbox = modelBuilder.Entity<OutboxState>();
        outbox.ToTable("OutboxState");
        outbox.HasKey(p => p.OutboxId);
        outbox.Ignore(p => p.RowVersion);
        outbox.Property(p => p.OutboxId).ValueGeneratedNever();
        outbox.HasIndex(p => p.Created);
        outbox.Property(p => p.Created).HasConversion(Utc);
        outbox.Property(p => p.Delivered).HasConversion(Utc);
        callback?.Invoke(outbox);
    }

    /// <summary>
    /// Adds <c>OutboxMessage</c>, without foreign keys: a row lives for milliseconds, and every index makes each insert slower.
    /// </summary>
    public static void AddOutboxMessageEntity(this ModelBuilder modelBuilder, Action<EntityTypeBuilder<OutboxMessage>>? callback = null)
    {
        var message = modelBuilder.Entity<OutboxMessage>();
        message.ToTable("OutboxMessage");
        message.HasKey(p => p.SequenceNumber);
        message.Property(p => p.SequenceNumber).ValueGeneratedOnAdd();
        message.Property(p => p.ContentType).HasMaxLength(256);
        message.Property(p => p.SourceAddress).HasMaxLength(256);
        message.Property(p => p.DestinationAddress).HasMaxLength(256);
        message.Property(p => p.ResponseAddress).HasMaxLength(256);
        message.Property(p => p.FaultAddress).HasMaxLength(256);
        message.Property(p => p.SentTime).HasConversion(Utc);
        message.Property(p => p.EnqueueTime).HasConversion(Utc);
        message.Property(p => p.ExpirationTime).HasConversion(Utc);
        message.HasIndex(p => new { p.OutboxId, p.SequenceNumber }).IsUnique();
        message.HasIndex(p => new { p.InboxMessageId, p.InboxConsumerId, p.SequenceNumber }).IsUnique();
        callback?.Invoke(message);
    }
}
