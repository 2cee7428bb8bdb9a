using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Surface;

/// <summary>What a handler changes; each but the first can only be saved by its own context.</summary>
public enum Change
{
    Plain,
    OwnedPart,
    ComplexPart,
    NewChildOfANewParent,
    OldChildOfANewParent,

    /// <summary>The new key stands in for one to come, as EF Core's documentation does it where there are no navigations.</summary>
    KeyToCome,
    NewRowWithAKeyToCome,
    OldRowWithAKeyToCome
}

public sealed record Keep(Guid Id, Change Change);

public sealed record Kept(Guid Id);

public sealed class Place
{
    public string Street { get; set; } = "";
}

/// <summary>A row with owned parts, of one class.</summary>
public sealed class Customer
{
    public Guid Id { get; set; }

    public Place Home { get; set; } = new();

    public Place Work { get; set; } = new();
}

/// <summary>A row with a complex property.</summary>
public sealed class Branch
{
    public Guid Id { get; set; }

    public Place Site { get; set; } = new();
}

/// <summary>Its key is the database's.</summary>
public sealed class Pallet
{
    public long Id { get; set; }

    public Guid About { get; set; }
}

/// <summary>Refers to a pallet by a property.</summary>
public sealed class Box
{
    public Guid Id { get; set; }

    public Guid About { get; set; }

    public long? PalletId { get; set; }

    public Pallet? Pallet { get; set; }
}

/// <summary>Refers to a pallet by a column no property holds.</summary>
public sealed class Label
{
    public Guid Id { get; set; }

    public Guid About { get; set; }

    public Pallet? Pallet { get; set; }
}

/// <summary>Refers to a pallet, and has no navigation to it.</summary>
public sealed class Tag
{
    public Guid Id { get; set; }

    public Guid About { get; set; }

    public long? PalletId { get; set; }
}

public sealed class WarehouseDbContext(DbContextOptions<WarehouseDbContext> options) : DbContext(options)
{
    public DbSet<Customer> Customers => Set<Customer>();

    public DbSet<Branch> Branches => Set<Branch>();

    public DbSet<Pallet> Pallets => Set<Pallet>();

    public DbSet<Box> Boxes => Set<Box>();

    public DbSet<Label> Labels => Set<Label>();

    public DbSet<Tag> Tags => Set<Tag>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Customer>(customer =>
        {
            customer.Property(row => row.Id).ValueGeneratedNever();
            customer.OwnsOne(row => row.Home);
            customer.OwnsOne(row => row.Work);
        });
        modelBuilder.Entity<Branch>(branch =>
        {
            branch.Property(row => row.Id).ValueGeneratedNever();
            branch.ComplexProperty(row => row.Site);
        });
        modelBuilder.Entity<Box>().Property(row => row.Id).ValueGeneratedNever();
        modelBuilder.Entity<Label>().Property(row => row.Id).ValueGeneratedNever();
        modelBuilder.Entity<Tag>(tag =>
        {
            tag.Property(row => row.Id).ValueGeneratedNever();
            tag.HasOne<Pallet>().WithMany().HasForeignKey(row => row.PalletId);
        });
        modelBuilder.AddTransactionalOutboxEntities();
    }
}

/// <summary>Changes rows without saving them; the outbox does that.</summary>
public sealed class KeepingConsumer(WarehouseDbContext database, Journal journal) : IConsumer<Keep>
{
    public async Task Consume(ConsumeContext<Keep> context)
    {
        var id = context.Message.Id;
        switch (context.Message.Change)
        {
            case Change.OwnedPart:
                var customer = await database.Customers.FindAsync(id) ?? database.Add(new Customer { Id = id }).Entity;
                customer.Home.Street = $"{id}";
                customer.Work = new Place { Street = $"{id}" };
                break;
            case Change.ComplexPart:
                var branch = await database.Branches.FindAsync(id) ?? database.Add(new Branch { Id = id }).Entity;
                branch.Site.Street = $"{id}";
                break;
            case Change.NewChildOfANewParent:
                var parent = new Pallet { About = id };
                database.AddRange(
                    new Box { Id = Guid.CreateVersion7(), About = id, Pallet = parent }, new Box { Id = Guid.CreateVersion7(), About = id, Pallet = parent },
                    new Label { Id = Guid.CreateVersion7(), About = id, Pallet = parent });
                break;
            case Change.OldChildOfANewParent:
                var adopting = new Pallet { About = id };
                foreach (var box in await database.Boxes.Where(box => box.About == id).ToListAsync())
                    box.Pallet = adopting;
                (await database.Labels.SingleAsync(label => label.About == id)).Pallet = adopting;
                break;
            case Change.KeyToCome:
                database.Add(new Pallet { Id = -1, About = id }).Property(pallet => pallet.Id).IsTemporary = true;
                break;
            case Change.NewRowWithAKeyToCome or Change.OldRowWithAKeyToCome:
                var tag = await database.Tags.SingleOrDefaultAsync(tag => tag.About == id) ?? database.Add(new Tag { Id = Guid.CreateVersion7(), About = id }).Entity;
                database.Add(new Pallet { Id = -1, About = id }).Property(pallet => pallet.Id).IsTemporary = true;
                tag.PalletId = -1;
                database.Entry(tag).Property(row => row.PalletId).IsTemporary = true;
                break;
            default:
                database.Add(new Branch { Id = id });
                break;
        }
        await context.Publish(new Kept(id));
        journal.Note(context.Message);
    }
}

public sealed class KeptConsumer(Journal journal) : IConsumer<Kept>
{
    public Task Consume(ConsumeContext<Kept> context)
    {
        journal.Note(context.Message);
        return Task.CompletedTask;
    }
}
