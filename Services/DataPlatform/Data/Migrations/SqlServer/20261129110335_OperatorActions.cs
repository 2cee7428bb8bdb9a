using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.DataPlatform.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class OperatorActions : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "OperatorActions",
                columns: table => new
                {
                    ActionId = table.Column<Guid>(type: "uniqueidentifier", nullable: false),
                    At = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    Operator = table.Column<string>(type: "nvarchar(200)", maxLength: 200, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Action = table.Column<string>(type: "nvarchar(64)", maxLength: 64, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Target = table.Column<string>(type: "nvarchar(200)", maxLength: 200, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Reason = table.Column<string>(type: "nvarchar(500)", maxLength: 500, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Before = table.Column<string>(type: "nvarchar(2000)", maxLength: 2000, nullable: true, collation: "Latin1_General_100_BIN2"),
                    After = table.Column<string>(type: "nvarchar(2000)", maxLength: 2000, nullable: true, collation: "Latin1_General_100_BIN2"),
                    Refusal = table.Column<string>(type: "nvarchar(64)", maxLength: 64, nullable: true, collation: "Latin1_General_100_BIN2")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_OperatorActions", x => x.ActionId);
                });

            migrationBuilder.CreateIndex(
                name: "IX_OperatorActions_At_ActionId",
                table: "OperatorActions",
                columns: new[] { "At", "ActionId" });

            migrationBuilder.CreateIndex(
                name: "IX_OperatorActions_Target_At",
                table: "OperatorActions",
                columns: new[] { "Target", "At" });

            migrationBuilder.Sql(
                """
                INSERT INTO "OperatorActions" ("ActionId", "At", "Operator", "Action", "Target", "Reason")
                SELECT "ActionId", "At", "By", "Kind",
                    CASE WHEN "DeliveryId" IS NULL THEN 'deliveries/destination' ELSE 'deliveries/' + LOWER(CONVERT(nvarchar(36), "DeliveryId")) END, "Reason"
                FROM "DeliveryActions"
                """);

            migrationBuilder.DropTable(
                name: "DeliveryActions");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "DeliveryActions",
                columns: table => new
                {
                    ActionId = table.Column<Guid>(type: "uniqueidentifier", nullable: false),
                    At = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    By = table.Column<string>(type: "nvarchar(200)", maxLength: 200, nullable: false, collation: "Latin1_General_100_BIN2"),
                    DeliveryId = table.Column<Guid>(type: "uniqueidentifier", nullable: true),
                    Kind = table.Column<string>(type: "nvarchar(16)", maxLength: 16, nullable: false, collation: "Latin1_General_100_BIN2"),
                    Reason = table.Column<string>(type: "nvarchar(500)", maxLength: 500, nullable: false, collation: "Latin1_General_100_BIN2")
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_DeliveryActions", x => x.ActionId);
                });

            migrationBuilder.CreateIndex(
                name: "IX_DeliveryActions_DeliveryId",
                table: "DeliveryActions",
                column: "DeliveryId");

            migrationBuilder.Sql(
                """
                INSERT INTO "DeliveryActions" ("ActionId", "At", "By", "Kind", "DeliveryId", "Reason")
                SELECT "ActionId", "At", "Operator", "Action",
                    CASE WHEN "Target" = 'deliveries/destination' THEN NULL ELSE CONVERT(uniqueidentifier, SUBSTRING("Target", 12, 36)) END, "Reason"
                FROM "OperatorActions"
                """);

            migrationBuilder.DropTable(
                name: "OperatorActions");
        }
    }
}
