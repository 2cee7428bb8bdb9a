using System.Text.RegularExpressions;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

public sealed record SellItem(Guid Id);

public sealed record ItemSold(Guid Id, string Shop);

public sealed record GetPrice(Guid Id);

public sealed record PriceQuote(Guid Id, int Price);

/// <summary>A row that a shop's consumer writes.</summary>
public sealed class Receipt
{
    public Guid Id { get; set; }

    public Guid About { get; set; }

    public string Writer { get; set; } = "";
}

public abstract class ShopDbContext(DbContextOptions options) : DbContext(options)
{
    public DbSet<Receipt> Receipts => Set<Receipt>();

    public DbSet<InboxState> Inbox => Set<InboxState>();

    public DbSet<OutboxMessage> Outbox => Set<OutboxMessage>();

    public static Receipt ReceiptOf(Guid sale, string writer) => new() { Id = Guid.CreateVersion7(), About = sale, Writer = writer };

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Receipt>().Property(receipt => receipt.Id).ValueGeneratedNever();
        modelBuilder.AddTransactionalOutboxEntities();
    }
}

public sealed class BakeryDbContext(DbContextOptions<BakeryDbContext> options) : ShopDbContext(options);

public sealed class DairyDbContext(DbContextOptions<DairyDbContext> options) : ShopDbContext(options);

/// <summary>Maps the tables to their own schema and names, and the columns by a convention.</summary>
public sealed partial class NamedDbContext(DbContextOptions<NamedDbContext> options) : ShopDbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.HasDefaultSchema("shop");
        modelBuilder.Entity<Receipt>().Property(receipt => receipt.Id).ValueGeneratedNever();
        modelBuilder.AddInboxStateEntity(inbox => inbox.ToTable("incoming", "post"));
        modelBuilder.AddOutboxStateEntity(outbox => outbox.ToTable("outgoing_units", "post"));
        modelBuilder.AddOutboxMessageEntity(message => message.ToTable("outgoing"));
        foreach (IMutableProperty property in modelBuilder.Model.GetEntityTypes().SelectMany(type => type.GetProperties()))
#pragma warning disable CA1308 // The convention uses lower case.
            property.SetColumnName(Humps().Replace(property.Name, "_$0").TrimStart('_').ToLowerInvariant());
#pragma warning restore CA1308
    }

    [GeneratedRegex("[A-Z]")]
    private static partial Regex Humps();
}

/// <summary>Writes a receipt and publishes through an injected endpoint, like code that runs inside and outside consumers.</summary>
public sealed class TillConsumer<TContext>(TContext database, IPublishEndpoint publish) : IConsumer<SellItem>
    where TContext : ShopDbContext
{
    public async Task Consume(ConsumeContext<SellItem> context)
    {
        database.Add(ShopDbContext.ReceiptOf(context.Message.Id, "till"));
        await publish.Publish(new ItemSold(context.Message.Id, typeof(TContext).Name), context.CancellationToken);
    }
}

/// <summary>A second consumer of the same messages.</summary>
public sealed class LedgerConsumer<TContext>(TContext database) : IConsumer<SellItem>
    where TContext : ShopDbContext
{
    public Task Consume(ConsumeContext<SellItem> context)
    {
        database.Add(ShopDbContext.ReceiptOf(context.Message.Id, "ledger"));
        return Task.CompletedTask;
    }
}

public sealed class PriceConsumer(BakeryDbContext database) : IConsumer<GetPrice>
{
    public async Task Consume(ConsumeContext<GetPrice> context)
    {
        database.Add(ShopDbContext.ReceiptOf(context.Message.Id, "price"));
        await context.RespondAsync(new PriceQuote(context.Message.Id, 42));
    }
}

public sealed class ItemSoldConsumer(Journal journal) : IConsumer<ItemSold>
{
    public Task Consume(ConsumeContext<ItemSold> context)
    {
        journal.Note(context.Message);
        return Task.CompletedTask;
    }
}

/// <summary>A service that chooses its outbox by key.</summary>
public sealed class Counter([FromKeyedServices(typeof(DairyDbContext))] IPublishEndpoint publish)
{
    public Task SellAsync(Guid id) => publish.Publish(new ItemSold(id, "counter"));
}

/// <summary>A service that chooses no outbox.</summary>
public sealed class CarelessCounter(IPublishEndpoint publish)
{
    public Task SellAsync(Guid id) => publish.Publish(new ItemSold(id, "careless"));
}

public interface ISecondBus : IBus;
