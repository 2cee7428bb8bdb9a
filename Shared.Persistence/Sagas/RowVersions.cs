using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Row versions on servers that make none.</summary>
internal static class RowVersions
{
    private const string Ours = "MassTransit:RowVersion";

    public static void TakeOver(IMutableModel model)
    {
        foreach (var property in model.GetEntityTypes().Where(type => typeof(ISaga).IsAssignableFrom(type.ClrType)).SelectMany(type => type.GetProperties())
            .Where(property => property is { IsConcurrencyToken: true, ValueGenerated: ValueGenerated.OnAddOrUpdate } && property.ClrType == typeof(byte[])))
        {
            property.ValueGenerated = ValueGenerated.Never;
            property.SetAnnotation(Ours, true);
        }
    }

    /// <summary>Gives a saga that is changed its next version.</summary>
    public static void Advance(DbContext database, object saga)
    {
        // To look at an entry is to compare every value with what it was.
        if (database.Model.FindEntityType(saga.GetType())?.GetProperties().Any(property => property.FindAnnotation(Ours) is not null) is not false)
            Advance(database.Entry(saga));
    }

    /// <summary>Gives a saga that is new or changed its next version.</summary>
    public static void Advance(EntityEntry saga)
    {
        foreach (var property in saga.Metadata.GetProperties())
        {
            if (property.FindAnnotation(Ours) is not null && saga.State is EntityState.Added or EntityState.Modified)
                saga.Property(property).CurrentValue = RandomNumberGenerator.GetBytes(8);
        }
    }
}
