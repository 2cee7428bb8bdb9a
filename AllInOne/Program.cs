using ConcertSaga.AllInOne;
using ConcertSaga.AllInOne.Tickets;
using ConcertSaga.Shared.Hosting;

// The options of this command are no settings.
if (args is [TicketCommand.Name, ..])
    return await TicketCommand.RunAsync(args);
return await ServiceHost.GuardAsync(args, async () =>
{
    var file = BackupFile.TakeOperand(ref args);
    switch (ServiceHost.TakeCommand(ref args, "docs", BackupFile.Backup, BackupFile.Restore, TicketCommand.Name))
    {
        case "docs": await GeneratedDocs.WriteAsync(args); break;
        case BackupFile.Backup: await BackupFile.WriteAsync(file, args); break;
        case BackupFile.Restore: await BackupFile.RestoreAsync(file, args); break;
        default: await EmbeddedSystem.RunAsync(args); break;
    }
});
