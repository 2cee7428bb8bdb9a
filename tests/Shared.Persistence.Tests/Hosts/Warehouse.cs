using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>The change of a handler. Only the handler's own context can save any but the first.</summary>
public enum Change
{
    Plain,
    OwnedPart,
    ComplexPart,
    NewChildOfANewParent,
    OldChildOfANewParent,

    /// <summary>The new row has a temporary key, as EF Core's documentation shows it for rows without navigations.</summary>
    KeyToCome,
    NewRowWithAKeyToCome,
    OldRowWithAKeyToCome
}

public sealed record ChangeRows(Guid Id, Change Change);

public sealed record RowsChanged(Guid Id);

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

/// <summary>A row whose key the database generates.</summary>
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

/// <summary>Refers to a pallet by a shadow property.</summary>
public sealed class Label
{
    public Guid Id { get; set; }

    public Guid About { get; set; }

    public Pallet? Pallet { get; set; }
}

/// <summary>Refers to a pallet without a navigation.</summary>
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

/// <summary>Changes rows and leaves the save to the outbox.</summary>
public sealed class RowChangingConsumer(WarehouseDbContext database, Journal journal) : IConsumer<ChangeRows>
{
    public async Task Consume(ConsumeContext<ChangeRows> context)
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
                    new Box { Id = Guid.CreateVersion7(), About = id, Pallet = parent },
                    new Box { Id = Guid.CreateVersion7(), About = id, Pallet = parent },
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
                var tag = await database.Tags.SingleOrDefaultAsync(tag => tag.About == id)
                    ?? database.Add(new Tag { Id = Guid.CreateVersion7(), About = id }).Entity;
                database.Add(new Pallet { Id = -1, About = id }).Property(pallet => pallet.Id).IsTemporary = true;
                tag.PalletId = -1;
                database.Entry(tag).Property(row => row.PalletId).IsTemporary = true;
                break;
            default:
                database.Add(new Branch { Id = id });
                break;
        }
        await context.Publish(new RowsChanged(id));
        journal.Note(context.Message);
    }
}

public sealed class RowsChangedConsumer(Journal journal) : IConsumer<RowsChanged>
{
    public Task Consume(ConsumeContext<RowsChanged> context)
    {
        journal.Note(context.Message);
        return Task.CompletedTask;
    }
}
